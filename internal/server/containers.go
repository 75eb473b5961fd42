package server

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api/client"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/oci/ref"
	"github.com/cairn-ml/cairn/internal/plan"
	"github.com/cairn-ml/cairn/internal/runner"
	"github.com/cairn-ml/cairn/internal/runner/docker"
	"github.com/cairn-ml/cairn/internal/runner/host"
)

// jobsSocket is where supervisors bring what containers of their jobs ask. Whoever
// comes in here is nobody until a token says otherwise.
func jobsSocket(home string) string { return filepath.Join(home, "jobs.sock") }

// listenForJobs opens that socket.
func (s *Server) listenForJobs() error {
	l, err := client.ListenSocket(jobsSocket(s.o.Home))
	if err != nil {
		return cairn.Errorf(cairn.CodeUnavailable, "cannot listen on the socket for jobs: %w", err)
	}
	s.listeners = append(s.listeners, jobsListener{l})
	return nil
}

// jobsListener marks its connections for auth.Guard.
type jobsListener struct{ net.Listener }

func (l jobsListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return jobsConn{c}, nil
}

type jobsConn struct{ net.Conn }

func (jobsConn) LocalAddr() net.Addr { return jobsAddr{} }

type jobsAddr struct{}

func (jobsAddr) Network() string { return auth.JobsNetwork }
func (jobsAddr) String() string  { return "jobs" }

// engineEnv gives what names a container engine.
func engineEnv(env []string, userHome string) func(string) string {
	return func(name string) string {
		if v := lookup(env, name); v != "" || name != "HOME" {
			return v
		}
		return userHome
	}
}

// sweepContainers removes what a job of this home left at the engine.
func (s *Server) sweepContainers(ctx context.Context, job string) error {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	return docker.Sweep(ctx, engineEnv(s.o.Env, ""), docker.Owner{Home: s.o.Home, Job: job})
}

// jobContainers makes what runs the containers of a job.
func jobContainers(env []string, exe string) func(host.ContainerJob) runner.Containers {
	return func(j host.ContainerJob) runner.Containers {
		program := exe
		if p, err := filepath.EvalSymlinks(exe); err == nil {
			program = p
		}
		return docker.New(docker.Options{
			Getenv: engineEnv(env, j.UserHome), Host: j.Machine, Dir: j.Dir, Owner: docker.Owner{Home: j.Home, Job: j.Job},
			Exe: program, Node: onPath(lookup(env, "PATH"), "node"), URL: j.URL, Socket: jobsSocket(j.Home), Token: j.Token,
			Made: j.Made, Gone: j.Gone, Held: heldImage(j.URL, j.Token), Grace: j.Grace, Force: j.Force, UserHome: j.UserHome, Anonymous: j.Untrusted,
		})
	}
}

// onPath finds a program on a PATH that is not this process's own.
func onPath(path, name string) string {
	for _, dir := range filepath.SplitList(path) {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil && dir != "" {
			return p
		}
	}
	return ""
}

// heldTime bounds the question whether an image is held.
const heldTime = 10 * time.Second

// heldImage asks Cairn's registry for images that are named without a registry, or
// with its own.
func heldImage(url, token string) docker.Held {
	_, registry, ok := strings.Cut(url, "://")
	if !ok || token == "" {
		return nil
	}
	return func(ctx context.Context, image string) string {
		own, ours := strings.CutPrefix(image, registry+"/")
		first, _, slash := strings.Cut(own, "/")
		if !ours && slash && (strings.ContainsAny(first, ".:") || first == "localhost") {
			return "" // of another registry
		}
		r, err := ref.ParseLocal(registry+"/"+own, []string{registry})
		if err != nil {
			return ""
		}
		version, at := r.Tag, ":"
		if r.Digest != "" {
			version, at = string(r.Digest), "@"
		}
		ctx, stop := context.WithTimeout(ctx, heldTime)
		defer stop()
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, url+"/v2/"+r.Name+"/manifests/"+version, nil)
		if err != nil {
			return ""
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Accept", "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "+
			"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return ""
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return ""
		}
		return registry + "/" + r.Name + at + version
	}
}

// engineTime bounds the search for an engine before a run.
const engineTime = 3 * time.Second

// containerNeeds says before a run that no engine answers.
func (s *Server) containerNeeds(ctx context.Context, images []plan.Need, n *need) {
	if len(images) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, engineTime)
	defer cancel()
	home, _ := os.UserHomeDir()
	e, err := docker.Connect(ctx, engineEnv(s.o.Env, home))
	if err == nil {
		e.Close()
		return
	}
	c := cairn.AsError(err)
	for _, i := range images {
		if strings.Contains(i.Name, "${{") { // it may turn out to be none
			n.warn(cairn.SeverityWarning, i.Pos, "preflight.container", c.Hint, i.Name+" may need a container engine: "+c.Message)
			continue
		}
		n.add(i.Node, i.Pos, "preflight.container", c.Hint, i.Name+" needs a container engine: "+c.Message)
	}
}
