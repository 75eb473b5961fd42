// Package logs is cairn logs: what the program behind a stage writes.
package logs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/repo"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

// New makes the command.
func New(k *kit.Kit) *cobra.Command {
	var r client.StageLogRequest
	cmd := &cobra.Command{
		Use:   "logs STAGE",
		Short: "Print what the API on a stage writes",
		Long: `Print what the API on a stage writes to its standard output and error. The logs of runs are
printed by cairn run logs.`,
		Example: `cairn logs production --tail 50
cairn logs staging --follow
cairn logs production --previous`,
		Args:              kit.Args(1, 1, "STAGE"),
		ValidArgsFunction: complete.First(k, complete.Stages),
	}
	f := cmd.Flags()
	f.StringVar(&r.Repository, "repo", "", "of this repository, `owner/name` (default: the one the command is typed in)")
	f.BoolVarP(&r.Follow, "follow", "f", false, "go on until interrupted")
	f.IntVarP(&r.Lines, "tail", "n", 0, "only the last `lines`")
	f.BoolVar(&r.Previous, "previous", false, "of the deployment before the one that is live: one that failed, or was replaced")
	cmd.RunE = func(c *cobra.Command, args []string) error {
		if c.Flags().Changed("tail") && (r.Lines < 1 || r.Lines > 1_000_000) {
			return cairn.Errorf(cairn.CodeInvalid, "--tail is %d; it can be 1 to 1000000", r.Lines)
		}
		if err := kit.Exclusive(c, "follow", "previous"); err != nil {
			return err
		}
		r.Stage = args[0]
		if r.Repository == "" {
			if wt, err := repo.Find(c.Context(), k); err == nil {
				r.Repository = wt.Name
			}
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		return show(c.Context(), k, cl, r)
	}
	return cmd
}

// source opens a log; *client.Client does.
type source interface {
	StageLog(ctx context.Context, r client.StageLogRequest) (io.ReadCloser, error)
}

// again is how many lines are read once more after the server was away, to find
// the place where it was cut.
const again = 500

// show prints a log. One that is followed is taken up again when the server went
// away: the stage itself goes on meanwhile.
func show(ctx context.Context, k *kit.Kit, src source, r client.StageLogRequest) error {
	p := &printer{out: bufio.NewWriter(k.Term.Out), clean: k.Term.OutTTY}
	for {
		body, err := src.StageLog(ctx, r)
		if err != nil {
			return err
		}
		err = p.copy(body)
		body.Close()
		switch {
		case ctx.Err() != nil:
			return nil // an interrupt is how following ends
		case p.failed != nil:
			return cairn.Errorf(cairn.CodeFailed, "cannot write: %w", p.failed)
		case err == nil && !r.Follow:
			return nil
		case !r.Follow:
			return cairn.Errorf(cairn.CodeUnavailable, "the log was cut short: %w", err).WithHint("type the command again")
		}
		// Find the last line that was printed, and go on behind it.
		r.Lines, p.seek = again, p.last
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

type printer struct {
	out    *bufio.Writer
	clean  bool
	last   string
	seek   string   // printed already: what stands before it is, too
	held   []string // while seeking
	failed error
}

func (p *printer) copy(r io.Reader) error {
	br := bufio.NewReaderSize(r, 64<<10)
	for {
		text, err := br.ReadString('\n')
		if text != "" && (err == nil || errors.Is(err, io.EOF)) {
			p.line(strings.TrimRight(text, "\r\n"))
		}
		if br.Buffered() == 0 || err != nil {
			p.settle()
			if p.failed = p.out.Flush(); p.failed != nil {
				return p.failed
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (p *printer) line(text string) {
	if p.seek != "" {
		if p.held = append(p.held, text); text == p.seek {
			p.held = p.held[:0]
		}
		return
	}
	p.print(text)
}

// settle ends seeking: what is held stands behind the last line that was printed,
// or, where that is not there, may be new.
func (p *printer) settle() {
	if p.seek == "" {
		return
	}
	p.seek = ""
	for _, l := range p.held {
		p.print(l)
	}
	p.held = nil
}

func (p *printer) print(text string) {
	p.last = text
	if p.clean {
		text = term.Clean(text)
	}
	fmt.Fprintln(p.out, text)
}

// Complete offers the names of stages to the shell; it starts no owner and is
