package prediction

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/complete"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
	"github.com/spf13/cobra"
)

func newShow(k *kit.Kit) *cobra.Command {
	var save string
	var force bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a request and its answer",
		Long: `Show a request and its answer, as far as they are kept.

Text and JSON are printed; a picture, or whatever else was sent, is written to a file
with --save.`,
		Example: `cairn prediction show 4f2a91c03d17-1-3-81920
cairn prediction show 4f2a91c03d17-1-3-81920 --save seven.png
cairn prediction show 4f2a91c03d17-1-3-81920 --json=status,path,report`,
		Args:              kit.Args(1, 1, "ID"),
		ValidArgsFunction: complete.First(k, complete.Predictions),
	}
	cmd.Flags().StringVar(&save, "save", "", "write what was sent to this `file`")
	cmd.Flags().BoolVar(&force, "force", false, "write over a file that is there")
	out := k.JSONFlags(cmd, cairn.Prediction{})
	cmd.RunE = func(c *cobra.Command, args []string) error {
		id, err := ID(args[0])
		if err != nil {
			return err
		}
		cl, err := k.Client(c.Context())
		if err != nil {
			return err
		}
		p, err := cl.Prediction(c.Context(), id)
		if err != nil {
			return err
		}
		if save != "" {
			if err := saveInput(c.Context(), k, cl, id, save, force); err != nil {
				return err
			}
		}
		if out.On() {
			return out.Write(p)
		}
		return write(k, p)
	}
	return cmd
}

func saveInput(ctx context.Context, k *kit.Kit, cl *kit.Client, id cairn.PredictionID, name string, force bool) error {
	in, err := cl.PredictionInput(ctx, id)
	if err != nil {
		return err
	}
	path := k.Path(name)
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		// Its own name is of whoever sent it: the id is as good and harms nothing.
		path = filepath.Join(path, string(id)+in.Ext)
	}
	mode := os.O_CREATE | os.O_WRONLY | os.O_EXCL
	if force {
		mode = os.O_CREATE | os.O_WRONLY | os.O_TRUNC
	}
	f, err := os.OpenFile(path, mode, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return cairn.Errorf(cairn.CodeConflict, "%s is there already", k.Rel(path)).WithHint("--force writes over it")
	} else if err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot write %s: %w", k.Rel(path), err)
	}
	_, err = f.Write(in.Body)
	if err = errors.Join(err, f.Close()); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "cannot write %s: %w", k.Rel(path), err)
	}
	fmt.Fprintf(k.Term.Err, "%s -> %s\n", term.Size(int64(len(in.Body))), k.Rel(path))
	return nil
}

func write(k *kit.Kit, p *cairn.Prediction) error {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-10s %s\n", name, term.Clean(fmt.Sprintf(format, args...)))
	}
	fmt.Fprintf(&b, "%s\n", k.Term.OutStyle().Bold("prediction "+string(p.ID)))
	if p.Stage != "" {
		line("stage", "%s of %s", p.Stage, p.Repository)
	}
	line("release", "%s", p.Release)
	if p.Deployment != 0 {
		line("deployment", "%d", p.Deployment)
	}
	if p.At.IsZero() {
		line("record", "not in the log of its stage any more; this is what its report says")
	} else {
		line("asked", "%s %s, %s", p.Method, p.Path, p.At.UTC().Format("2006-01-02 15:04:05.000"))
		switch {
		case p.Open:
			line("answered", "%d; the end is not recorded: the gateway was killed while the answer was on its way", p.Status)
		default:
			line("answered", "%d in %s", p.Status, time.Duration(p.Took)*time.Microsecond)
		}
	}
	if p.Error != "" {
		line("broke off", "%s", p.Error)
	}
	if p.Async {
		line("log", "async: the answer did not wait for the disk")
	}
	if p.Model != "" {
		line("model", "%s", p.Model)
	}
	if r := p.Report; r != nil {
		line("expected", "%s", r.Expected)
		line("reported", "by %s, %s", r.By, r.At.UTC().Format("2006-01-02 15:04:05"))
		if r.Comment != "" {
			line("comment", "%s", r.Comment)
		}
		if r.Data != "" {
			line("data", "%s", r.Data)
		}
	}
	if p.Deleted {
		line("bodies", "erased")
	} else if !p.At.IsZero() {
		body(&b, "request", p.Request, "--save FILE writes it")
		body(&b, "answer", p.Response, "it is not text")
	}
	fmt.Fprintf(&b, "\ncairn trace prediction/%s tells which model, data and commit it comes from\n", p.ID)
	_, err := fmt.Fprint(k.Term.Out, b.String())
	return err
}

// texty reports whether a body of that type may be text; its bytes decide.
func texty(kind string) bool {
	for _, p := range []string{"multipart/", "image/", "audio/", "video/", "application/octet-stream", "application/pdf", "application/zip"} {
		if strings.HasPrefix(strings.ToLower(kind), p) {
			return false
		}
	}
	return true
}

// shown is how much of a body is printed.
const shown = 8 << 10

// body prints one direction: JSON indented, text as it is.
func body(b *strings.Builder, name string, x cairn.Exchanged, otherwise string) {
	kind := x.Type
	if kind == "" {
		kind = "no type"
	}
	fmt.Fprintf(b, "\n%s  %s, %s", name, term.Clean(kind), term.Size(x.Size))
	if x.Cut {
		fmt.Fprintf(b, " (the first %s are kept)", term.Size(int64(len(x.Body))))
	}
	b.WriteByte('\n')
	if len(x.Body) == 0 {
		return
	}
	text := x.Body
	if json.Valid(text) {
		var pretty strings.Builder
		enc := json.NewEncoder(&pretty)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if enc.Encode(json.RawMessage(text)) == nil {
			text = []byte(pretty.String())
		}
	}
	if !texty(x.Type) || !utf8.Valid(text) || strings.ContainsRune(string(text[:min(len(text), shown)]), 0) {
		fmt.Fprintf(b, "  %s\n", otherwise)
		return
	}
	more := len(text) - shown
	for l := range strings.SplitSeq(strings.TrimRight(string(text[:min(len(text), shown)]), "\n"), "\n") {
		b.WriteString("  " + term.Clean(l) + "\n")
	}
	if more > 0 {
		fmt.Fprintf(b, "  … %s more\n", term.Size(int64(more)))
	}
}
