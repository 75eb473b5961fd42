package trace

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// image describes an image. Upwards: the model and whatever else is in it, then
// the job that made it, then packages and base. base says that the question came
// from what was built on it.
func (w *walk) image(n *cairn.TraceNode, base bool) ([]cairn.Link, error) {
	d := cairn.Digest(n.Ref.ID())
	n.Digest = d
	img, err := w.Delivery.Image(w.ctx, w.Workspace, d)
	switch {
	case cairn.CodeOf(err) == cairn.CodeNotFound && base:
		n.Title = "image " + d.Short()
		fact(n, "digest", string(d))
		fact(n, "from", "elsewhere: its content is not described here")
		return nil, nil
	case cairn.CodeOf(err) == cairn.CodeNotFound:
		w.gap(n, "the image is not stored here")
		return nil, nil
	case err != nil:
		return nil, err
	}
	n.Title = imageTitle(&img)
	n.By, n.At, n.Dirty = img.By, img.CreatedAt, img.Dirty
	imageFacts(n, &img)
	to, err := w.Reader.LinksTo(w.ctx, n.Ref)
	if err != nil {
		return nil, err
	}
	if w.down {
		return pick(to, cairn.RelReleased, cairn.RelPacked), nil
	}
	// An index has what its images have.
	refs := []cairn.Ref{n.Ref}
	for _, m := range img.Manifests {
		refs = append(refs, cairn.ImageRef(m))
	}
	from, err := w.Reader.LinksFrom(w.ctx, refs...)
	if err != nil {
		return nil, err
	}
	return w.insideOf(n, &img, pick(from, cairn.RelPacked), pick(to, cairn.RelMade), base), nil
}

// insideOf puts what is in an image into the order of the questions: which model
// and data, which code and job, which packages, which base.
func (w *walk) insideOf(n *cairn.TraceNode, img *cairn.Image, packed, made []cairn.Link, base bool) []cairn.Link {
	var out []cairn.Link
	seen := map[cairn.Ref]bool{}
	take := func(kinds ...string) (count int) {
		for _, k := range kinds {
			for _, l := range packed {
				if l.To.Kind() == k && !seen[l.To] {
					seen[l.To] = true
					// The images of an index are not steps of their own.
					l.From = n.Ref
					out = append(out, l)
					count++
				}
			}
		}
		return count
	}
	known := take(cairn.KindModel, cairn.KindArtifact, cairn.KindData, cairn.KindCode, cairn.KindComponent)
	byJob := slices.IndexFunc(made, func(l cairn.Link) bool { return l.From.Kind() == cairn.KindJob })
	switch {
	case byJob >= 0:
		// The first one made it; a later one found the same image there.
		out = append(out, made[byJob])
	case take(cairn.KindCommit) > 0:
		fact(n, "made", "by hand by "+cmp.Or(img.By, "somebody")+"; the commit is what its label says")
	case base || isBase(img):
		base = true
		fact(n, "from", cameFrom(img))
	default:
		w.gap(n, "no job made it: %s brought it by hand on %s, without a label that names a commit", cmp.Or(img.By, "somebody"), day(img.CreatedAt))
	}
	if known == 0 && !base && n.Missing == "" {
		w.gap(n, "no file in it is known as a model, data or artifact")
	}
	take(cairn.KindEnvironment, cairn.KindImage, cairn.KindTree)
	return out
}

// isBase says that an image holds nothing but what others are built on. It has no
// commit, and none is missing.
func isBase(img *cairn.Image) bool {
	return len(img.Layers) > 0 && !slices.ContainsFunc(img.Layers, func(l cairn.ImageLayer) bool { return l.Role != cairn.LayerBase })
}

// cameFrom says how an image came here that no job made.
func cameFrom(img *cairn.Image) string {
	how := "built by hand"
	switch img.Builder {
	case cairn.BuilderHostPython:
		how = "the Python of this machine, captured"
	case cairn.BuilderPull:
		how = "pulled"
		if len(img.Tags) > 0 {
			if host, _, ok := strings.Cut(img.Tags[0], "/"); ok {
				how += " from " + host
			}
		}
	case cairn.BuilderLoad:
		how = "loaded from an archive"
	case cairn.BuilderPush:
		how = "pushed"
	}
	return how + " by " + cmp.Or(img.By, "somebody") + " on " + day(img.CreatedAt)
}

func imageTitle(img *cairn.Image) string {
	if len(img.Tags) > 0 {
		return "image " + img.Tags[0]
	}
	return "image " + img.Digest.Short()
}

func imageFacts(n *cairn.TraceNode, img *cairn.Image) {
	fact(n, "digest", string(img.Digest))
	if img.Config != "" {
		fact(n, "docker id", img.Config.Short())
	}
	if len(img.Tags) > 1 {
		fact(n, "also called", clip(strings.Join(img.Tags[1:], ", "), 300))
	}
	if img.Deleted {
		fact(n, "bytes", "deleted here; what is known of it stays")
	}
	holds := bytes(img.Size)
	if len(img.Layers) > 0 {
		holds += " in " + plural(int64(len(img.Layers)), "layer")
	} else if len(img.Manifests) > 0 {
		holds = plural(int64(len(img.Manifests)), "platform") + ", " + holds
	}
	if img.Platform != "" {
		holds += ", " + img.Platform
	}
	fact(n, "holds", holds)
	for _, role := range []string{cairn.LayerModel, cairn.LayerCode, cairn.LayerDeps, cairn.LayerBase} {
		count, size, note := 0, int64(0), ""
		for _, l := range img.Layers {
			if l.Role == role {
				count, size, note = count+1, size+l.Size, l.Note
			}
		}
		if count == 0 {
			continue
		}
		text := bytes(size)
		switch {
		case count > 1:
			text += " in " + plural(int64(count), "layer")
		case note != "":
			text += " (" + clip(note, 60) + ")"
		}
		grouped(n, "layer", role, text)
	}
	fact(n, "base", img.BaseName)
	switch img.Builder {
	case "", cairn.BuilderPush, cairn.BuilderPull, cairn.BuilderLoad, cairn.BuilderHostPython:
	default:
		fact(n, "built by", img.Builder)
	}
	if img.Dirty {
		fact(n, "code", "with uncommitted changes on top of the commit")
	}
}
