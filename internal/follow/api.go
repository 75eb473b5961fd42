package follow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

// api speaks to the interfaces of hosts.
type api struct{ http *http.Client }

const (
	callPatience  = 30 * time.Second
	answerLimit   = 4 << 20
	maxRedirects  = 3
	maxRetryAfter = 24 * time.Hour
)

func newAPI(tr http.RoundTripper) *api {
	if tr == nil {
		tr = &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true}
	}
	return &api{&http.Client{
		Transport: tr, Timeout: callPatience,
		// Each redirect is looked at here: none takes the token to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// refusal is an answer of a host that is no success.
type refusal struct {
	status int
	// again is when the host wants to be asked again; zero: it does not say.
	again time.Time
	said  string // in the host's own words
	err   *cairn.Error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// call sends a request with the token, and follows redirects on the same host.
func (a *api) call(ctx context.Context, f *cairn.Follow, token, method, path string, in any, now time.Time) ([]byte, error) {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return nil, err
		}
	}
	base, err := url.Parse(f.API)
	if err != nil || base.Host == "" {
		return nil, cairn.Errorf(cairn.CodeInvalid, "%q is not the address of an interface", f.API)
	}
	at, err := url.Parse(strings.TrimRight(f.API, "/") + path)
	if err != nil {
		return nil, cairn.Errorf(cairn.CodeInvalid, "the path of %s cannot be written in an address", f.Project)
	}
	for range maxRedirects {
		resp, err := a.once(ctx, f, token, method, at, body)
		if err != nil {
			return nil, unreachable(ctx, base.Host, err)
		}
		out, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
		resp.Body.Close()
		if err != nil {
			return nil, unreachable(ctx, base.Host, err)
		}
		switch resp.StatusCode {
		case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			to, err := at.Parse(resp.Header.Get("Location"))
			if err != nil || to.Host != at.Host || to.Scheme != at.Scheme {
				return nil, &refusal{status: resp.StatusCode, err: cairn.Errorf(cairn.CodeForbidden, "%s sends to another host, which does not get the token", base.Host).
					WithHint("follow the repository at its new address")}
			}
			at = to
			continue
		}
		if resp.StatusCode < 300 {
			return out, nil
		}
		return nil, refused(f, base.Host, resp, out, now)
	}
	return nil, cairn.Errorf(cairn.CodeFailed, "%s sends from one address to the next without end", base.Host)
}

func (a *api) once(ctx context.Context, f *cairn.Follow, token, method string, at *url.URL, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "cairn")
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	switch f.Host {
	case cairn.HostGitHub:
		req.Header.Set("Accept", "application/vnd.github+json")
		req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
		req.Header.Set("Authorization", "Bearer "+token)
	case cairn.HostGitea:
		req.Header.Set("Authorization", "token "+token)
	case cairn.HostGitLab:
		req.Header.Set("PRIVATE-TOKEN", token)
	}
	return a.http.Do(req)
}

func unreachable(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err // without the address, which says nothing new
	}
	return cairn.Errorf(cairn.CodeUnavailable, "the interface of %s cannot be reached: %v", host, err)
}

// refused says what an answer means. A host that counts requests says when it
// wants to be asked again, in one of several ways.
func refused(f *cairn.Follow, host string, resp *http.Response, body []byte, now time.Time) error {
	var said struct {
		Message any `json:"message"`
		Error   any `json:"error"`
	}
	_ = json.Unmarshal(body, &said) // what is no JSON says nothing
	text := ""
	for _, v := range []any{said.Message, said.Error} {
		if s, ok := v.(string); ok && text == "" {
			text = ": " + clip(oneLine(s), 200)
		}
	}
	r := &refusal{status: resp.StatusCode, said: text, again: askAgain(resp.Header, now)}
	limited := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusForbidden &&
		(resp.Header.Get("Retry-After") != "" || resp.Header.Get("X-RateLimit-Remaining") == "0" || strings.Contains(strings.ToLower(text), "rate limit"))
	switch {
	case limited:
		if r.again.IsZero() {
			r.again = now.Add(time.Minute)
		}
		r.err = cairn.Errorf(cairn.CodeUnavailable, "%s wants no more requests until %s%s", host, r.again.UTC().Format("15:04:05"), text)
	case resp.StatusCode == http.StatusUnauthorized:
		r.err = cairn.Errorf(cairn.CodeForbidden, "%s does not take the token (401)%s", host, text).WithHint("give another one: cairn repo set %s --token-stdin", f.Repository)
	case resp.StatusCode == http.StatusForbidden:
		r.err = cairn.Errorf(cairn.CodeForbidden, "the token may not do this at %s (403)%s", host, text).
			WithHint("it needs to read the repository and its pull requests, and to write commit statuses: cairn repo set %s --token-stdin", f.Repository)
	case resp.StatusCode == http.StatusNotFound:
		r.err = cairn.Errorf(cairn.CodeNotFound, "%s knows no %s, or the token may not see it (404)%s", host, f.Project, text).
			WithHint("cairn repo set %s --token-stdin gives another token", f.Repository)
	case resp.StatusCode >= 500:
		r.err = cairn.Errorf(cairn.CodeUnavailable, "%s has trouble (%d)%s", host, resp.StatusCode, text)
	default:
		r.err = cairn.Errorf(cairn.CodeInvalid, "%s does not take it (%d)%s", host, resp.StatusCode, text)
	}
	return r
}

func askAgain(h http.Header, now time.Time) time.Time {
	at := time.Time{}
	if after := h.Get("Retry-After"); after != "" {
		if n, err := strconv.ParseInt(after, 10, 32); err == nil && n >= 0 {
			at = now.Add(time.Duration(n) * time.Second)
		} else if t, err := http.ParseTime(after); err == nil {
			at = t
		}
	} else if h.Get("X-RateLimit-Remaining") == "0" {
		if n, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil && n > 0 {
			at = time.Unix(n, 0)
		}
	}
	if limit := now.Add(maxRetryAfter); at.After(limit) {
		return limit
	}
	return at
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// pull reads a pull request.
func (a *api) pull(ctx context.Context, f *cairn.Follow, token string, number int64, now time.Time) (pullObject, error) {
	b, err := a.call(ctx, f, token, http.MethodGet, fmt.Sprintf("%s/pulls/%d", repoPath(f.Project), number), nil, now)
	return b, err
}

// write writes a commit status.
func (a *api) write(ctx context.Context, f *cairn.Follow, token string, x cairn.HostStatus, target string, now time.Time) error {
	path := repoPath(f.Project) + "/statuses/" + x.SHA
	in := map[string]string{"state": x.State, "context": x.Context, "description": x.Description, "target_url": target}
	if f.Host == cairn.HostGitLab {
		path = "/projects/" + url.PathEscape(f.Project) + "/statuses/" + x.SHA
		in = map[string]string{"state": gitlabState(x.State), "name": x.Context, "description": x.Description, "target_url": target}
	}
	_, err := a.call(ctx, f, token, http.MethodPost, path, in, now)
	var r *refusal
	if f.Host == cairn.HostGitLab && errors.As(err, &r) && r.status == http.StatusBadRequest && strings.Contains(r.err.Message, "Cannot transition status") {
		return nil // it has this state already
	}
	return err
}

func gitlabState(state string) string {
	switch state {
	case "failure", "error":
		return "failed"
	}
	return state
}
