package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
)

const (
	pullTries = 3
)

// Held answers under which reference the engine can fetch an image that Cairn's
// registry holds; "" when it does not hold it.
type Held func(ctx context.Context, image string) string

// puller fetches images.
type puller struct {
	engine *Engine
	held   Held
	token  string // of the job: Cairn's registry takes it
	config string // folder of the docker command's configuration
	sleep  func(ctx context.Context, d time.Duration)
}

// image makes sure that the engine has the image of a container.
func (s *Session) image(ctx context.Context, e *Engine, spec *runner.ContainerSpec, log io.Writer) (*image.InspectResponse, error) {
	p := s.puller(e)
	// What was built here is in no registry.
	built := strings.HasPrefix(spec.Image, builtPrefix) || strings.HasPrefix(spec.Image, "sha256:")
	if built || spec.Kept && (p.held == nil || p.held(ctx, spec.Image) == "") {
		img, err := e.ImageInspect(ctx, spec.Image)
		if err == nil {
			return &img.InspectResponse, nil
		}
		if built {
			return nil, failed("the image "+spec.Image+" is not there any more", err)
		}
	}
	return p.fetch(ctx, spec.Image, spec.Username, spec.Password, log)
}

// FetchImage makes sure that the engine has an image, and returns its id.
func (s *Session) FetchImage(ctx context.Context, name string, log io.Writer) (string, error) {
	e, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	img, err := s.image(ctx, e, &runner.ContainerSpec{Image: name, Kept: true}, log)
	if err != nil {
		return "", err
	}
	return img.ID, nil
}

// HasImage reports whether the engine has an image.
func (s *Session) HasImage(ctx context.Context, name string) (bool, error) {
	e, err := s.connect(ctx)
	if err != nil {
		return false, err
	}
	switch _, err := e.ImageInspect(ctx, name); {
	case err == nil:
		return true, nil
	case cerrdefs.IsNotFound(err):
		return false, nil
	default:
		return false, failed("the image "+name+" cannot be looked at", err)
	}
}

// fetch makes sure that the engine has an image, the newest of its tag where its
// registry answers, and returns what it is.
func (p *puller) fetch(ctx context.Context, name, user, password string, log io.Writer) (*image.InspectResponse, error) {
	name = strings.TrimPrefix(name, "docker://")
	ref, err := reference.ParseDockerRef(name)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is no image: %w", name, err).WithHint("write NAME:TAG, or REGISTRY/NAME:TAG")
	}
	// What a digest names never changes.
	if _, ok := ref.(reference.Digested); ok {
		if img, err := p.engine.ImageInspect(ctx, name); err == nil {
			fmt.Fprintf(log, "%s is there already\n", name)
			return &img.InspectResponse, nil
		}
	}
	if p.held != nil {
		if from := p.held(ctx, name); from != "" {
			if err := p.pull(ctx, from, "cairn", p.token, log); err != nil {
				return nil, cairn.Errorf(cairn.CodeUnavailable, "Cairn's registry holds %s, and the engine cannot fetch it: %w", name, err)
			}
			img, err := p.engine.ImageInspect(ctx, from)
			if err != nil {
				return nil, failed("the image "+from+" cannot be looked at", err)
			}
			return &img.InspectResponse, nil
		}
	}
	given := password != ""
	if !given {
		user, password = p.login(reference.Domain(ref))
	}
	img, missing := p.engine.ImageInspect(ctx, name)
	err = p.tryPull(ctx, ref.String(), user, password, missing == nil, log)
	switch {
	case err == nil:
		if img, err = p.engine.ImageInspect(ctx, name); err != nil {
			return nil, failed("the image "+name+" cannot be looked at", err)
		}
		return &img.InspectResponse, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case missing != nil || given && denied(err):
		e := cairn.Errorf(cairn.CodeUnavailable, "the image %s cannot be fetched: %s", name, firstLine(err))
		if denied(err) {
			return nil, e.WithHint("give credentials: username and password of its registry, from secrets")
		}
		return nil, e.WithHint("check its name and the network; docker pull %s shows more", name)
	}
	fmt.Fprintf(log, "##[warning]%s cannot be fetched (%s): what is there is used, made %s\n", name, firstLine(err), made(&img.InspectResponse))
	return &img.InspectResponse, nil
}

func made(img *image.InspectResponse) string {
	if t, err := time.Parse(time.RFC3339Nano, img.Created); err == nil && t.Year() > 1970 {
		return t.UTC().Format(time.DateOnly)
	}
	return "at an unknown time"
}

// login is what `docker login` has kept for a registry.
func (p *puller) login(domain string) (user, password string) {
	if p.config == "" {
		return "", ""
	}
	if domain == "docker.io" {
		domain = "https://index.docker.io/v1/"
	}
	file, err := config.Load(p.config)
	if err != nil {
		return "", ""
	}
	auth, err := file.GetAuthConfig(domain)
	if err != nil {
		return "", ""
	}
	return auth.Username, auth.Password
}

// tryPull pulls, again where that may help. An image that is there is not worth
// waiting for.
func (p *puller) tryPull(ctx context.Context, name, user, password string, there bool, log io.Writer) error {
	for try := 1; ; try++ {
		err := p.pull(ctx, name, user, password, log)
		if err == nil || there || try == pullTries || ctx.Err() != nil || denied(err) || absent(err) {
			return err
		}
		d := time.Duration(try) * 2 * time.Second
		fmt.Fprintf(log, "##[warning]The image cannot be fetched (%s); trying again in %s\n", firstLine(err), d)
		p.sleep(ctx, d)
	}
}

// pull fetches an image and shows how far it is. The password goes in a header.
func (p *puller) pull(ctx context.Context, name, user, password string, log io.Writer) error {
	o := client.ImagePullOptions{}
	if password != "" {
		auth, err := authconfig.Encode(registry.AuthConfig{Username: user, Password: password})
		if err != nil {
			return err
		}
		o.RegistryAuth = auth
	}
	fmt.Fprintf(log, "Pulling %s\n", name)
	r, err := p.engine.ImagePull(ctx, name, o)
	if err != nil {
		return err
	}
	defer r.Close()
	for m, err := range r.JSONMessages(ctx) {
		switch {
		case err != nil:
			return err
		case m.Error != nil:
			return m.Error
		case m.Progress != nil && m.Progress.Total > 0, m.Status == "Waiting", m.Status == "Verifying Checksum":
			// Bars are for terminals.
		case m.ID != "" && m.Status != "":
			fmt.Fprintf(log, "%s: %s\n", m.ID, m.Status)
		case m.Status != "":
			fmt.Fprintln(log, m.Status)
		}
	}
	return ctx.Err()
}

// denied reports whether a registry wants to know who asks, or says no.
func denied(err error) bool {
	if cerrdefs.IsUnauthorized(err) || cerrdefs.IsPermissionDenied(err) {
		return true
	}
	s := strings.ToLower(err.Error())
	return strings.Contains(s, "unauthorized") || strings.Contains(s, "denied") || strings.Contains(s, "authentication required")
}

func absent(err error) bool {
	s := strings.ToLower(err.Error())
	return cerrdefs.IsNotFound(err) || strings.Contains(s, "not found") || strings.Contains(s, "manifest unknown")
}

// failed wraps an error of the engine.
func failed(what string, err error) error {
	var e *cairn.Error
	if errors.As(err, &e) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return cairn.Errorf(cairn.CodeFailed, "%s: %w", what, err)
}
