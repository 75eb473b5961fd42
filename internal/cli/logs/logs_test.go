package logs

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/cli/kit"
	"github.com/cairn-ml/cairn/internal/cli/term"
)

// pieces answers each request for a log with the next text; the last one ends the
// context, as an interrupt does.
type pieces struct {
	texts []string
	asked []client.StageLogRequest
	stop  func()
}

type cut struct{ io.Reader }

func (c cut) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (p *pieces) StageLog(_ context.Context, r client.StageLogRequest) (io.ReadCloser, error) {
	p.asked = append(p.asked, r)
	text := p.texts[0]
	if p.texts = p.texts[1:]; len(p.texts) == 0 && p.stop != nil {
		p.stop()
	}
	if strings.HasSuffix(text, "!") {
		return io.NopCloser(cut{strings.NewReader(strings.TrimSuffix(text, "!"))}), nil
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

func TestFollowTakesUpAgain(t *testing.T) {
	t.Parallel()
	tm, b := term.Test()
	ctx, cancel := context.WithCancel(t.Context())
	src := &pieces{texts: []string{"one\ntwo\nthr!", "one\ntwo\nthree\nfour\n!", "new start\n"}, stop: cancel}
	if err := show(ctx, &kit.Kit{Term: tm}, src, client.StageLogRequest{Stage: "production", Follow: true, Lines: 2}); err != nil {
		t.Fatal(err)
	}
	if got := b.Out.String(); got != "one\ntwo\nthree\nfour\nnew start\n" {
		t.Errorf("%q", got)
	}
	if len(src.asked) != 3 || src.asked[0].Lines != 2 || src.asked[1].Lines != again {
		t.Errorf("%+v", src.asked)
	}
}

func TestCutWithoutFollow(t *testing.T) {
	t.Parallel()
	tm, b := term.Test()
	tm.OutTTY = true
	err := show(t.Context(), &kit.Kit{Term: tm}, &pieces{texts: []string{"one\x1b[2J\n!"}}, client.StageLogRequest{})
	if cairn.CodeOf(err) != cairn.CodeUnavailable || b.Out.String() != "one\n" {
		t.Errorf("%v %q", err, b.Out)
	}
}
