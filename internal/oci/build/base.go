package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/dockerfile"
	"github.com/cairn-ml/cairn/internal/oci/layer"
	"github.com/cairn-ml/cairn/internal/oci/ref"
)

// codeBase marks an error about a base that cannot be had, which an executor may
// still have.
const codeBase = cairn.CodeNotFound

// damagedHint is what helps where the disk lost bytes of a base.
const damagedHint = "cairn fsck --repair moves what is damaged aside; then cairn image pull, or cairn image base create, brings it again"

// configLimit bounds the configuration of an image.
const configLimit = 8 << 20

// base is an image that is stood on or copied from.
type base struct {
	name   string // as written
	image  *cairn.Image
	config dockerfile.Image
	srv    Server
	facts  *facts
	fs     *layer.FS
}

// sources are its layers, for reading.
func (b *base) sources() []layer.Source {
	var out []layer.Source
	for _, l := range b.image.Layers {
		out = append(out, layer.Source{Digest: l.Digest, MediaType: l.MediaType, Open: func(ctx context.Context) (io.ReadCloser, error) {
			r, _, err := b.srv.GetBlob(ctx, l.Digest)
			return r, err
		}})
	}
	return out
}

// base finds an image: Cairn's own first, then the registry that its name says.
func (j *job) base(ctx context.Context, name, platform string) (*dockerfile.Base, error) {
	key := platform + " " + name
	b, ok := j.bases[key]
	if !ok {
		img, err := j.find(ctx, name, platform)
		if err != nil {
			j.lacking = name
			return nil, err
		}
		b = &base{name: name, image: img, srv: j.srv}
		if err := j.readConfig(ctx, b); err != nil {
			return nil, err
		}
		j.bases[key] = b
	}
	return &dockerfile.Base{Name: name, Config: b.config, Handle: b}, nil
}

func (j *job) find(ctx context.Context, name, platform string) (*cairn.Image, error) {
	r, err := ref.ParseLocal(name, j.own())
	if err != nil {
		return nil, err
	}
	img, err := j.srv.Image(ctx, name)
	if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
		return nil, err
	}
	here := err == nil
	var why error
	if here {
		img, why = j.choose(ctx, img, platform)
		if here = why == nil; !here && cairn.CodeOf(why) != cairn.CodeNotFound {
			return nil, why
		}
	}
	if here && !j.r.Pull {
		return img, nil
	}
	if j.o.Puller != nil && r.Registry() != "" {
		pulled, err := j.o.Puller.Pull(ctx, j.srv, r, platform, j.r.Env, j.log)
		if err == nil {
			return j.choose(ctx, pulled, platform)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if c := cairn.CodeOf(err); c == cairn.CodeTooLarge || c == cairn.CodeInternal && !here {
			return nil, err
		}
		if here {
			j.warn("%s is taken as Cairn has it: %s", r.Familiar(), cairn.AsError(err).Message)
			return img, nil
		}
		if why == nil {
			why = err
		}
	}
	if here {
		return img, nil
	}
	reason := "Cairn has no image of this name"
	if why != nil {
		reason = cairn.AsError(why).Message
	}
	as := r.Familiar()
	if r.Digest != "" {
		as = "NAME" // no other image has this digest: FROM has to say another name
	}
	return nil, cairn.Errorf(codeBase, "the base image %s cannot be had: %s", r.Familiar(), reason).
		WithHint("where its registry cannot be reached, cairn image base create --from-host-python --as %s makes one from this machine's Python; "+
			"cairn image pull %s fetches it where it can", as, r.Familiar())
}

// choose takes the image of an index that is for a platform.
func (j *job) choose(ctx context.Context, img *cairn.Image, platform string) (*cairn.Image, error) {
	if len(img.Manifests) == 0 {
		if p, err := dockerfile.ParsePlatform(img.Platform); err == nil && img.Platform != "" && p != platform {
			return nil, cairn.Errorf(cairn.CodeNotFound, "it is for %s, and %s is asked for", img.Platform, platform)
		}
		return img, nil
	}
	var have string
	for i, d := range img.Manifests {
		if i > 100 {
			break
		}
		m, err := j.srv.Image(ctx, string(cairn.ImageRef(d)))
		if cairn.CodeOf(err) == cairn.CodeNotFound {
			continue // an index may name images that were not fetched
		}
		if err != nil {
			return nil, err
		}
		if p, err := dockerfile.ParsePlatform(m.Platform); err == nil && p == platform {
			return m, nil
		}
		if m.Platform != "" {
			have += " " + m.Platform
		}
	}
	return nil, cairn.Errorf(cairn.CodeNotFound, "it is not there for %s; there is%s", platform, have)
}

func (j *job) readConfig(ctx context.Context, b *base) error {
	bad := func(err error) error {
		return cairn.Errorf(cairn.CodeFailed, "the configuration of the base image %s cannot be read: %w", b.name, err).
			WithHint(damagedHint)
	}
	if !b.image.Config.Valid() {
		return bad(errors.New("the image has none"))
	}
	r, _, err := j.srv.GetBlob(ctx, b.image.Config)
	if err != nil {
		return err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, configLimit+1))
	if err != nil {
		return bad(err)
	}
	if got := cairn.SumBytes(raw); got != b.image.Config {
		return bad(fmt.Errorf("its bytes are %s instead of %s", got, b.image.Config))
	}
	if err := json.Unmarshal(raw, &b.config); err != nil {
		return bad(err)
	}
	if n := len(b.config.RootFS.DiffIDs); n != len(b.image.Layers) {
		return bad(fmt.Errorf("it names %d layers and the image has %d", n, len(b.image.Layers)))
	}
	return nil
}

// index reads the layers of a base; once per build.
func (j *job) index(ctx context.Context, b *base) (*layer.FS, error) {
	if b.fs != nil {
		return b.fs, nil
	}
	fs, err := layer.IndexWith(ctx, b.sources(), layer.IndexOptions{Keep: keepUsers})
	if err != nil {
		return nil, j.baseLayerError(b, err)
	}
	b.fs = fs
	return fs, nil
}

func (j *job) baseLayerError(b *base, err error) error {
	e := *cairn.AsError(err)
	if e.Code == cairn.CodeInvalid || e.Code == cairn.CodeInternal {
		e.Code = cairn.CodeFailed // the file is right, what is stored is not
	}
	out := cairn.Errorf(e.Code, "the base image %s cannot be used: %s", b.name, e.Message)
	out.Err, out.Hint = err, e.Hint
	if out.Hint == "" {
		out.Hint = damagedHint
	}
	return out
}

// know gives the facts of a base, from the cache or from its layers.
func (j *job) know(ctx context.Context, b *base) (*facts, error) {
	if b.facts != nil {
		return b.facts, nil
	}
	if b.facts = j.loadFacts(b.image.Digest); b.facts != nil {
		return b.facts, nil
	}
	fs, err := j.index(ctx, b)
	if err != nil {
		return nil, err
	}
	if b.facts, err = gather(ctx, fs); err != nil {
		return nil, j.baseLayerError(b, err)
	}
	j.saveFacts(b.image.Digest, b.facts)
	return b.facts, nil
}
