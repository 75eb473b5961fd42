package mlflow

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/track"
)

// noMultipart begins as MLflow's own answer does: clients look for it and fall
// back to plain uploads and downloads.
const (
	noMultipartUp   = "Multipart upload is not supported for the current artifact repository"
	noMultipartDown = "Multipart download is not supported for the current artifact repository"
)

// artifacts serves what is below /mlflow-artifacts/. rest is still encoded: it
// is decoded once, and what is then hidden in it is refused.
func (h *handler) artifacts(w http.ResponseWriter, r *http.Request, rest string) error {
	area, rest, more := strings.Cut(rest, "/")
	switch area {
	case "mpu":
		if err := h.allow(r, false); err != nil {
			return err
		}
		return cairn.Errorf(cairn.CodeUnsupported, noMultipartUp)
	case "presigned":
		if err := h.allow(r, true); err != nil {
			return err
		}
		return cairn.Errorf(cairn.CodeUnsupported, noMultipartDown)
	case "artifacts":
	default:
		return &endpointError{r.Method, r.URL.Path}
	}
	if err := h.allow(r, r.Method == http.MethodGet || r.Method == http.MethodHead); err != nil {
		return err
	}
	if !more || rest == "" {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			return &endpointError{r.Method, r.URL.Path}
		}
		return h.listFiles(w, r, r.URL.Query().Get("path"))
	}
	p, err := url.PathUnescape(rest)
	if err != nil {
		return cairn.Errorf(cairn.CodeInvalid, "Invalid path: %w", err)
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return h.sendFile(w, r, p)
	case http.MethodPut:
		_, err := h.track.PutFile(r.Context(), p, http.MaxBytesReader(w, r.Body, h.maxUpload))
		var big *http.MaxBytesError
		if errors.As(err, &big) {
			return cairn.Errorf(cairn.CodeTooLarge, "'%s' is larger than %d bytes, the most that one artifact may have", path.Base(p), big.Limit)
		}
		if err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, nil)
	case http.MethodDelete:
		if err := h.track.DeleteFile(r.Context(), p); err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, nil)
	}
	return &endpointError{r.Method, r.URL.Path}
}

// listFiles lists a folder; paths are the last parts alone.
func (h *handler) listFiles(w http.ResponseWriter, r *http.Request, dir string) error {
	fs, err := h.track.ListFiles(r.Context(), strings.TrimSuffix(dir, "/"))
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, object{"files": fileList(fs, "")})
}

// fileList shows files with their paths below root, or their last parts where
// root is "".
func fileList(fs []cairn.MLFile, root string) []fileJSON {
	out := make([]fileJSON, len(fs))
	for i, f := range fs {
		out[i] = fileJSON{Path: path.Base(f.Path), Dir: f.Dir}
		if root != "" {
			out[i].Path = strings.TrimPrefix(f.Path, root+"/")
		}
		if !f.Dir {
			out[i].Size = &fs[i].Size
		}
	}
	return out
}

// sendFile answers with the bytes of a file, or at once that there is none:
// clients repeat anything that looks like a passing trouble for minutes.
func (h *handler) sendFile(w http.ResponseWriter, r *http.Request, p string) error {
	f, err := h.track.OpenFile(r.Context(), p)
	if err != nil {
		return err
	}
	defer f.Close()
	return serveFile(w, r, f)
}

func serveFile(w http.ResponseWriter, r *http.Request, f *track.File) error {
	hd := w.Header()
	hd.Set("X-Content-Type-Options", "nosniff")
	hd.Set("Content-Security-Policy", "sandbox")
	hd.Set("ETag", `"`+string(f.Digest)+`"`)
	if cd := mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}); cd != "" {
		hd.Set("Content-Disposition", cd)
	} else {
		hd.Set("Content-Disposition", "attachment")
	}
	hd.Set("Content-Type", contentType(f.Name))
	http.ServeContent(w, r, f.Name, f.ModTime, f)
	return nil
}

// contentType goes by the name: bytes that somebody uploaded are never sniffed.
func contentType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	switch ext {
	case ".yaml", ".yml", ".txt", ".log", ".md", ".py", ".cfg", ".ini", ".toml", ".sh", "":
		if ext != "" || name == "MLmodel" || name == "MLproject" {
			return "text/plain; charset=utf-8"
		}
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// under joins a path that a client gave to a root; it cannot lead out of it.
func under(root, p string) (string, error) {
	p, err := track.CleanPath(strings.TrimSuffix(p, "/"))
	if err != nil || p == "" {
		return root, err
	}
	return root + "/" + p, nil
}

func (h *handler) listRunArtifacts(c *call) (any, error) {
	id, p := c.runID(), c.str("path")
	if c.err != nil {
		return nil, c.err
	}
	r, err := h.track.Run(c.r.Context(), id)
	if err != nil {
		return nil, err
	}
	return h.listBelow(c, r.Root, p)
}

func (h *handler) listLoggedArtifacts(c *call) (any, error) {
	m, err := h.track.LoggedModel(c.r.Context(), c.rest[0])
	if err != nil {
		return nil, err
	}
	return h.listBelow(c, m.Root, c.str("artifact_directory_path"))
}

func (h *handler) listBelow(c *call, root, p string) (any, error) {
	dir, err := under(root, p)
	if err != nil {
		return nil, err
	}
	fs, err := h.track.ListFiles(c.r.Context(), dir)
	if err != nil {
		return nil, err
	}
	o := paged("files", fileList(fs, root), "")
	o["root_uri"] = h.track.URI(root)
	return o, nil
}

func (h *handler) getLoggedArtifact(c *call) (any, error) {
	m, err := h.track.LoggedModel(c.r.Context(), c.rest[0])
	if err != nil {
		return nil, err
	}
	p, err := under(m.Root, c.str("artifact_file_path"))
	if err != nil {
		return nil, err
	}
	return nil, sent(h.sendFile(c.w, c.r, p))
}

// sent tells serve that the reply is out already.
func sent(err error) error {
	if err == nil {
		return errGone
	}
	return err
}

func (h *handler) getArtifact(w http.ResponseWriter, r *http.Request) error {
	q, err := h.get(r)
	if err != nil {
		return err
	}
	id := q.Get("run_id")
	if id == "" {
		id = q.Get("run_uuid")
	}
	run, err := h.track.Run(r.Context(), id)
	if err != nil {
		return err
	}
	p, err := under(run.Root, q.Get("path"))
	if err != nil {
		return err
	}
	return h.sendFile(w, r, p)
}

func (h *handler) getVersionArtifact(w http.ResponseWriter, r *http.Request) error {
	q, err := h.get(r)
	if err != nil {
		return err
	}
	root, err := h.track.VersionRoot(r.Context(), q.Get("name"), q.Get("version"))
	if err != nil {
		return err
	}
	p, err := under(root, q.Get("path"))
	if err != nil {
		return err
	}
	return h.sendFile(w, r, p)
}

// get checks a request for a file and reads its query.
func (h *handler) get(r *http.Request) (url.Values, error) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil, &endpointError{r.Method, r.URL.Path}
	}
	if err := h.allow(r, true); err != nil {
		return nil, err
	}
	return r.URL.Query(), nil
}
