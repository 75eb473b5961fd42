package registry

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/ref"
)

// maxTagParams bounds the tags that come with one push by digest.
const maxTagParams = 10

// digestOf reads a digest of the protocol.
func digestOf(s string) (cairn.Digest, error) {
	if strings.HasPrefix(s, "sha512:") {
		return "", &problem{http.StatusBadRequest, "UNSUPPORTED", cairn.Errorf(cairn.CodeUnsupported, "content is kept by sha256 here, not by sha512")}
	}
	d, err := cairn.ParseDigest(s)
	return d, as("DIGEST_INVALID", err)
}

// reference reads what stands behind /manifests/: a tag or a digest.
func reference(s string) (tag string, d cairn.Digest, err error) {
	if strings.Contains(s, ":") {
		d, err = digestOf(s)
		return "", d, err
	}
	return s, "", as("MANIFEST_INVALID", ref.CheckTag(s))
}

func (g *Registry) getManifest(q *request, rest string) error {
	tag, d, err := reference(rest)
	if err != nil {
		// A tag that cannot be is not there.
		return &problem{http.StatusNotFound, "MANIFEST_UNKNOWN", err}
	}
	img, raw, err := g.o.Images.Manifest(q.r.Context(), q.name, tag, d, q.actor)
	if err != nil {
		return as("MANIFEST_UNKNOWN", err)
	}
	h := q.w.Header()
	h.Set("Docker-Content-Digest", string(img.Digest))
	h.Set("ETag", strconv.Quote(string(img.Digest)))
	h.Set("Content-Type", img.MediaType)
	h.Set("Content-Length", strconv.Itoa(len(raw)))
	if strings.Contains(q.r.Header.Get("If-None-Match"), string(img.Digest)) {
		h.Del("Content-Length")
		q.w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if q.r.Method == http.MethodHead {
		return nil
	}
	_, err = q.w.Write(raw)
	return ignoreGone(err)
}

func (g *Registry) putManifest(q *request, rest string) error {
	tag, d, err := reference(rest)
	if err != nil {
		return err
	}
	tags := []string{tag}
	if d != "" {
		// A push by digest may bring its tags along.
		if given := q.r.URL.Query()["tag"]; len(given) > maxTagParams {
			return &problem{http.StatusRequestURITooLong, "TAG_INVALID", cairn.Errorf(cairn.CodeTooLarge, "%d tags in one request; at most %d", len(given), maxTagParams)}
		} else if len(given) > 0 {
			tags = given
		}
	}
	raw, err := io.ReadAll(io.LimitReader(q.r.Body, oci.MaxManifest+1))
	if err != nil {
		return as("MANIFEST_INVALID", cairn.Errorf(cairn.CodeInvalid, "the manifest could not be read to its end: %w", err))
	}
	if len(raw) > oci.MaxManifest {
		return cairn.Errorf(cairn.CodeTooLarge, "a manifest of more than %d bytes", oci.MaxManifest)
	}
	if d != "" && cairn.SumBytes(raw) != d {
		return &problem{http.StatusBadRequest, "DIGEST_INVALID", cairn.Errorf(cairn.CodeInvalid, "the manifest that was sent is %s, not %s", cairn.SumBytes(raw), d)}
	}
	var img *cairn.Image
	for _, t := range tags {
		if img, err = g.o.Images.PutManifest(q.r.Context(), q.name, t, d, q.r.Header.Get("Content-Type"), raw, q.actor); err != nil {
			return as("MANIFEST_INVALID", err)
		}
	}
	h := q.w.Header()
	h.Set("Location", pathOf(q.name, "manifests", string(img.Digest)))
	h.Set("Docker-Content-Digest", string(img.Digest))
	if img.Subject != "" {
		h.Set("OCI-Subject", string(img.Subject))
	}
	if d != "" {
		for _, t := range tags {
			if t != "" {
				h.Add("OCI-Tag", t)
			}
		}
	}
	q.w.WriteHeader(http.StatusCreated)
	return nil
}

func (g *Registry) deleteManifest(q *request, rest string) error {
	if err := g.o.Check(q.r.Context(), Delete); err != nil {
		return err
	}
	tag, d, err := reference(rest)
	if err != nil {
		return err
	}
	if d == "" {
		err = g.o.Images.DropTag(q.r.Context(), q.name, tag, q.actor)
	} else {
		err = g.o.Images.DropManifest(q.r.Context(), q.name, d, q.actor)
	}
	if err != nil {
		return as("MANIFEST_UNKNOWN", err)
	}
	q.w.WriteHeader(http.StatusAccepted)
	return nil
}

// pageLimit bounds the names of one answer.
const pageLimit = 1000

// page reads where a listing goes on and how much of it is wanted.
func page(r *http.Request) (after string, n int, err error) {
	n = pageLimit
	if s := r.URL.Query().Get("n"); s != "" {
		if n, err = strconv.Atoi(s); err != nil || n < 0 {
			return "", 0, &problem{http.StatusBadRequest, "PAGINATION_NUMBER_INVALID", cairn.Errorf(cairn.CodeInvalid, "%q is not a number of names", clip(s))}
		}
	}
	return r.URL.Query().Get("last"), min(n, pageLimit), nil
}

// next names the next page, where there is one, and cuts this one.
func next(w http.ResponseWriter, path string, all []string, n int) []string {
	if len(all) <= n {
		return append([]string{}, all...)
	}
	all = all[:n]
	if n > 0 {
		q := url.Values{"n": {strconv.Itoa(n)}, "last": {all[n-1]}}
		w.Header().Set("Link", "<"+path+"?"+q.Encode()+`>; rel="next"`)
	}
	return append([]string{}, all...)
}

func (g *Registry) tags(q *request) error {
	after, n, err := page(q.r)
	if err != nil {
		return err
	}
	tags, err := g.o.Images.NameTags(q.r.Context(), q.name, after, n+1)
	if err != nil {
		return as("NAME_UNKNOWN", err)
	}
	name := (ref.Reference{Name: q.name}).Path()
	return writeJSON(q.w, http.StatusOK, map[string]any{"name": name, "tags": next(q.w, pathOf(q.name, "tags", "list"), tags, n)})
}

func (g *Registry) catalog(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return &problem{http.StatusMethodNotAllowed, "UNSUPPORTED", cairn.Errorf(cairn.CodeUnsupported, "the catalog is only read")}
	}
	after, n, err := page(r)
	if err != nil {
		return err
	}
	names, err := g.o.Images.Names(r.Context(), ref.FromPath(after), n+1)
	if err != nil {
		return err
	}
	for i := range names {
		names[i] = (ref.Reference{Name: names[i]}).Path()
	}
	return writeJSON(w, http.StatusOK, map[string]any{"repositories": next(w, Prefix+"_catalog", names, n)})
}

func (g *Registry) referrers(q *request, rest string) error {
	d, err := digestOf(rest)
	if err != nil {
		return err
	}
	all, err := g.o.Images.Referrers(q.r.Context(), q.name, d)
	if err != nil {
		return err
	}
	if kind := q.r.URL.Query().Get("artifactType"); kind != "" {
		kept := []oci.Descriptor{}
		for _, m := range all {
			if m.ArtifactType == kind {
				kept = append(kept, m)
			}
		}
		all = kept
		q.w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	b, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": oci.TypeIndex, "manifests": all})
	if err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", oci.TypeIndex)
	_, err = q.w.Write(b)
	return ignoreGone(err)
}
