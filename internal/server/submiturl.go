package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/pipeline"
)

// Bounds of what is fetched for a job.
const (
	maxFetched     = 8 << 30
	maxRedirects   = 5
	fetchTimeout   = 30 * time.Minute
	headersTimeout = 30 * time.Second
	maxURL         = 4000
)

// url is the file at a URL: fetched once and kept by its digest. Where the place says
// that it changed, it is fetched again.
func (j *jobRefs) url(ctx context.Context, ref *pipeline.Reference) (cairn.DataValue, error) {
	u, err := url.Parse(ref.Text)
	if err != nil || len(ref.Text) > maxURL {
		return cairn.DataValue{}, cairn.Errorf(cairn.CodeInvalid, "%s is not a URL", clipText(ref.Text, 200))
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https":
	case "wasbs", "wasb", "abfss", "abfs", "adl":
		return cairn.DataValue{}, cairn.Errorf(cairn.CodeUnsupported, "%s: storage of Azure is not read", clipText(ref.Text, 200)).
			WithHint("fetch it once and register it: cairn data create NAME PATH, then name azureml:NAME@latest; a public file can be named by its https URL")
	case "git+https", "git+http", "git+ssh":
		return cairn.DataValue{}, cairn.Errorf(cairn.CodeUnsupported, "%s: code is not cloned for a job", clipText(ref.Text, 200)).
			WithHint("clone it beside the file and name its folder")
	default:
		return cairn.DataValue{}, cairn.Errorf(cairn.CodeUnsupported, "%s: nothing is read from %q", clipText(ref.Text, 200), u.Scheme).
			WithHint("a path, azureml:NAME:VERSION, azureml://datastores/…, azureml://jobs/…, runs:/… or an https URL")
	}
	if u.Host == "" || u.User != nil {
		return cairn.DataValue{}, cairn.Errorf(cairn.CodeInvalid, "%s is not a URL that can be fetched", u.Redacted()).
			WithHint("a host, and no password in it")
	}
	if strings.HasSuffix(u.Path, "/") || u.Path == "" {
		return cairn.DataValue{}, cairn.Errorf(cairn.CodeUnsupported, "%s is a folder: over http only files are fetched", ref.Text).
			WithHint("name each file, or register the folder: cairn data create NAME PATH")
	}
	if j.c.untrusted {
		return cairn.DataValue{}, cairn.Errorf(cairn.CodeForbidden, "%s: nothing is fetched for code that is not trusted", ref.Text)
	}
	f, note, err := j.s.fetchURL(ctx, ref.Text, j.c.check)
	if err != nil {
		return cairn.DataValue{}, err
	}
	if note != "" {
		j.notes = append(j.notes, note)
	}
	if f.Digest == "" { // only checked
		return cairn.DataValue{Type: "file", Digest: cairn.SumBytes(nil), Name: path.Base(u.Path), Asset: "uri_file"}, nil
	}
	return cairn.DataValue{Type: "file", Digest: f.Digest, Size: f.Size, Files: 1, Name: f.Name, Asset: "uri_file"}, nil
}

// fetchURL gives what is kept of a URL, asking the place whether it has changed. With
// look alone nothing is fetched.
func (s *Server) fetchURL(ctx context.Context, address string, look bool) (f cairn.FetchedURL, note string, err error) {
	unlock, err := s.fetches.lock(ctx, "url\x00"+address)
	if err != nil {
		return f, "", err
	}
	defer unlock()
	kept, err := s.store.FetchedURL(ctx, address)
	known := err == nil
	if err != nil && cairn.CodeOf(err) != cairn.CodeNotFound {
		return f, "", err
	}
	if known {
		if there, err := s.blobs.Has(ctx, kept.Digest); err != nil {
			return f, "", err
		} else if !there {
			known = false
		}
	}
	if look || known && kept.ETag == "" && kept.Modified == "" {
		return kept, "", nil
	}
	ask := cairn.FetchedURL{URL: address}
	if known {
		ask = kept
	}
	f, fresh, err := s.getURL(ctx, ask)
	switch {
	case err != nil && known && ctx.Err() == nil:
		return kept, address + " cannot be reached: what it gave on " + kept.At.Format("2006-01-02 15:04") + " is used", nil
	case err != nil:
		return f, "", err
	case !fresh:
		return kept, "", nil
	}
	return f, "", s.store.PutFetchedURL(ctx, f)
}

// getURL fetches a URL unless it is as it was.
func (s *Server) getURL(ctx context.Context, kept cairn.FetchedURL) (f cairn.FetchedURL, fresh bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, kept.URL, nil)
	if err != nil {
		return f, false, cairn.Errorf(cairn.CodeInvalid, "%s is not a URL", kept.URL)
	}
	req.Header.Set("User-Agent", "cairn/"+s.o.Version)
	if kept.ETag != "" {
		req.Header.Set("If-None-Match", kept.ETag)
	} else if kept.Modified != "" {
		req.Header.Set("If-Modified-Since", kept.Modified)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: headersTimeout, TLSHandshakeTimeout: headersTimeout, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return errors.New("it leads elsewhere too often")
		}
		if req.URL.Scheme != "http" && req.URL.Scheme != "https" {
			return errors.New("it leads to " + req.URL.Scheme)
		}
		return nil
	}}
	res, err := client.Do(req)
	if err != nil {
		return f, false, fetchFailed(ctx, kept.URL, err)
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && kept.Digest != "":
		return kept, false, nil
	case res.StatusCode != http.StatusOK:
		return f, false, cairn.Errorf(cairn.CodeFailed, "%s cannot be fetched: %s", kept.URL, res.Status).
			WithHint("is it public? else fetch it and register it: cairn data create NAME PATH")
	case res.ContentLength > maxFetched:
		return f, false, tooMuch(kept.URL)
	}
	body := &boundedBody{r: res.Body, left: maxFetched}
	d, size, err := s.blobs.Put(ctx, body, "")
	if body.over {
		return f, false, tooMuch(kept.URL)
	}
	if err != nil {
		return f, false, fetchFailed(ctx, kept.URL, err)
	}
	if res.ContentLength >= 0 && size != res.ContentLength {
		return f, false, cairn.Errorf(cairn.CodeFailed, "%s was cut off after %d of %d bytes", kept.URL, size, res.ContentLength)
	}
	name := path.Base(req.URL.Path)
	return cairn.FetchedURL{URL: kept.URL, Digest: d, Size: size, Name: name, ETag: clipText(res.Header.Get("ETag"), 500),
		Modified: clipText(res.Header.Get("Last-Modified"), 100), At: time.Now().UTC()}, true, nil
}

func fetchFailed(ctx context.Context, address string, err error) error {
	if ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if k := cairn.CodeOf(err); k != cairn.CodeInternal {
		return err
	}
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	return cairn.Errorf(cairn.CodeFailed, "%s cannot be fetched: %s", address, err.Error())
}

func tooMuch(address string) error {
	return cairn.Errorf(cairn.CodeTooLarge, "%s has more than %d GiB", address, int64(maxFetched)>>30).
		WithHint("fetch it and register it: cairn data create NAME PATH")
}

// boundedBody ends with an error instead of giving more than it may.
type boundedBody struct {
	r    io.Reader
	left int64
	over bool
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		b.over = true
		return n, errors.New("too much")
	}
	return n, err
}
