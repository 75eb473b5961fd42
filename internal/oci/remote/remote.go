// Package remote moves images between Cairn and registries outside: what is there
// already is not sent, what is fetched is stored as it is, digest by digest.
package remote

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/oci/ref"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// Blob is bytes to store; Open is called when their turn comes.
type Blob struct {
	Digest cairn.Digest
	Size   int64
	Open   func() (io.ReadCloser, error)
}

// Sink is where fetched images go.
type Sink interface {
	MissingBlobs(ctx context.Context, ds []cairn.Digest) ([]cairn.Digest, error)
	// UploadBlobs stores blobs; when it returns without error they are on disk.
	UploadBlobs(ctx context.Context, blobs []Blob) error
	RecordImage(ctx context.Context, b cairn.ImageBuild) (*cairn.Image, error)
}

// Source is where pushed images come from.
type Source interface {
	GetBlob(ctx context.Context, d cairn.Digest) (io.ReadCloser, int64, error)
}

// Options are what a client knows of its surroundings.
type Options struct {
	// Env is the environment that credentials (HOME, DOCKER_CONFIG, PATH for helpers)
	// and proxies are looked up in.
	Env map[string]string
	// JobToken is the password that stands for no registry outside.
	JobToken string
	// Anonymous pushes to registries that no credentials are there for, too.
	Anonymous bool
	// Plain are further registries that speak HTTP without TLS, "registry.lan:5000";
	// those of this machine do.
	Plain []string
	// Transport is for tests; nil: one with deadlines and the proxies of Env.
	Transport http.RoundTripper
}

// Client talks to registries outside.
type Client struct {
	o    Options
	keys *keychain
}

// New makes a client.
func New(o Options) *Client {
	if o.Transport == nil {
		o.Transport = newTransport(o.Env)
	}
	return &Client{o: o, keys: &keychain{env: o.Env, own: o.JobToken}}
}

// userAgent tells registries who asks.
const userAgent = "cairn"

// newTransport is one that no silent peer holds for ever.
func newTransport(env map[string]string) http.RoundTripper {
	d := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) { return proxyOf(env, r.URL) }, DialContext: d.DialContext,
		ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 8, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second,
		ResponseHeaderTimeout: 2 * time.Minute, ExpectContinueTimeout: time.Second, DisableCompression: true,
	}
}

// proxyOf reads the usual variables; nothing that is on this machine goes through a
// proxy.
func proxyOf(env map[string]string, u *url.URL) (*url.URL, error) {
	get := func(name string) string {
		if v := env[strings.ToLower(name)]; v != "" {
			return v
		}
		return env[name]
	}
	proxy := get(strings.ToUpper(u.Scheme) + "_PROXY")
	host := strings.ToLower(u.Hostname())
	if ip := net.ParseIP(host); proxy == "" || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil, nil
	}
	for no := range strings.SplitSeq(get("NO_PROXY"), ",") {
		no = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(no), "."))
		if no == "*" || no != "" && (host == no || u.Host == no || strings.HasSuffix(host, "."+no)) {
			return nil, nil
		}
	}
	if !strings.Contains(proxy, "://") {
		proxy = "http://" + proxy
	}
	p, err := url.Parse(proxy)
	if err != nil {
		// The address may hold a password: it is not repeated.
		return nil, cairn.Errorf(cairn.CodeInvalid, "the address of the proxy in %s_PROXY cannot be read", strings.ToUpper(u.Scheme))
	}
	return p, nil
}

// named turns a reference into one of the library.
func (c *Client) named(r ref.Reference) (name.Reference, error) {
	var opts []name.Option
	for _, p := range c.o.Plain {
		if p == r.Registry() {
			opts = append(opts, name.Insecure)
		}
	}
	if r.Registry() == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%s names no registry", r.Familiar()).WithHint("write the registry in front: ghcr.io/%s", r.Familiar())
	}
	s := r.Name + ":" + r.Tag
	if r.Digest != "" {
		s = r.Name + "@" + string(r.Digest)
	}
	n, err := name.ParseReference(s, opts...)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q cannot be asked for: %w", r.String(), err)
	}
	return n, nil
}

// options are those of one conversation.
func (c *Client) options(ctx context.Context) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx), remote.WithTransport(c.o.Transport), remote.WithAuthFromKeychain(c.keys), remote.WithUserAgent(userAgent),
		remote.WithJobs(4), remote.WithRetryBackoff(remote.Backoff{Duration: 300 * time.Millisecond, Factor: 3, Jitter: 0.1, Steps: 3}),
		remote.WithRetryPredicate(temporary),
	}
}
