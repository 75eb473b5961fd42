package server

import (
	"context"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/api"
	"github.com/cairn-ml/cairn/internal/auth"
	"github.com/cairn-ml/cairn/internal/cas"
	"github.com/cairn-ml/cairn/internal/oci"
	"github.com/cairn-ml/cairn/internal/oci/registry"
)

// openImages makes the room of images.
func (s *Server) openImages() {
	s.images = oci.New(oci.Options{
		Store: s.store, Blobs: s.blobs, Workspace: Workspace, Code: &imageCode{s}, Own: s.registries, Log: s.log,
		InUse: func(ctx context.Context, d cairn.Digest) (string, error) { return s.deploys.ImageInUse(ctx, d) },
	})
}

// openRegistry makes the handler of the registry, and removes old uploads beside it.
func (s *Server) openRegistry() error {
	var err error
	s.oci, err = registry.New(registry.Options{
		Images: s.images, Blobs: s.blobs, Dir: filepath.Join(s.o.Home, "uploads"), Check: checkRegistry, Actor: auth.Actor, Asked: auth.Asked, Log: s.log,
	})
	return err
}

func checkRegistry(ctx context.Context, a registry.Access) error {
	switch a {
	case registry.Read:
		return auth.Permit(ctx, "packages", cairn.PermissionRead)
	case registry.Write:
		return auth.Permit(ctx, "packages", cairn.PermissionWrite)
	}
	return auth.Check(ctx, auth.Need{Role: cairn.RoleWriter})
}

// cleanUploads removes uploads that nobody goes on with.
func (s *Server) cleanUploads(ctx context.Context) {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if err := s.oci.Clean(); err != nil {
			s.log.Warn("old uploads could not be removed", "error", err)
		}
	}
}

// failRequest answers a request that the guard refuses, in the form that its
// clients read.
func failRequest(w http.ResponseWriter, r *http.Request, err error) {
	if strings.HasPrefix(r.URL.Path, registry.Prefix) {
		registry.WriteError(w, r, err)
		return
	}
	api.WriteError(w, err)
}

// registry is the address of Cairn's own registry, host:port.
func (s *Server) registry() string {
	u, err := url.Parse(s.url)
	if err != nil {
		return ""
	}
	return u.Host
}

// registries are the addresses that references to Cairn's own registry begin with.
func (s *Server) registries() []string {
	own := []string{s.registry()}
	if u, err := url.Parse(s.url); err == nil {
		for _, h := range s.config.Hosts {
			own = append(own, h+":"+u.Port())
		}
	}
	return own
}

// imageCode tells the room of images what is code.
type imageCode struct{ s *Server }

func (c *imageCode) FileSums(ctx context.Context, repository, tree string, sums []string) (map[string]bool, error) {
	return c.s.host.FileSums(ctx, repository, tree, sums)
}

// Commit finds the repository that has a commit.
func (c *imageCode) Commit(ctx context.Context, sha string) (string, error) {
	repos, err := c.s.host.Repos(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range repos {
		if got, err := c.s.host.Commit(ctx, r, sha); err == nil && got.SHA == sha {
			return r, nil
		}
	}
	return "", ctx.Err()
}

// imageRoots lists the blobs that images stand on: manifests, configurations,
// layers, and what is known of layers.
func (s *Server) imageRoots(ctx context.Context, yield func(cas.Root, error) bool) bool {
	layers := map[cairn.Digest]bool{}
	f := cairn.ImageFilter{All: true, Limit: 1000}
	for {
		imgs, err := s.store.Images(ctx, Workspace, f)
		if err != nil {
			return yield(cas.Root{}, err)
		}
		for i := range imgs {
			if !yieldImage(&imgs[i], yield) {
				return false
			}
			for _, l := range imgs[i].Layers {
				layers[l.Digest] = true
			}
		}
		if len(imgs) < f.Limit {
			break
		}
		f.Before = imgs[len(imgs)-1].Seq
	}
	more := true
	err := s.store.LayerListings(ctx, func(layer, listing cairn.Digest) error {
		// A listing goes with the last image that has its layer. One that is lost is no
		// loss: it is made again.
		there, err := s.blobs.Has(ctx, listing)
		if err != nil || !there || !layers[layer] {
			return err
		}
		if more = more && yield(cas.Root{Digest: listing, Name: "files of layer " + layer.Short()}, nil); !more {
			return context.Canceled
		}
		return nil
	})
	if err != nil && more {
		return yield(cas.Root{}, err)
	}
	return more
}

func yieldImage(img *cairn.Image, yield func(cas.Root, error) bool) bool {
	name := string(img.Ref())
	if !yield(cas.Root{Digest: img.Digest, Name: name}, nil) || img.Config != "" && !yield(cas.Root{Digest: img.Config, Name: name}, nil) {
		return false
	}
	for _, l := range img.Layers {
		if !oci.Foreign(l.MediaType) && !yield(cas.Root{Digest: l.Digest, Name: name}, nil) {
			return false
		}
	}
	return true
}
