package docker

import "testing"

// The image of untrusted code is asked for without what docker login has kept.
func TestUntrustedPullsAsAnybody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ env, home string }{{"", "/home/ana"}, {"/etc/docker-ana", ""}} {
		o := Options{Getenv: func(string) string { return c.env }, UserHome: c.home}
		if got := (&Session{o: o}).puller(nil).config; got == "" {
			t.Errorf("%+v: the logins of the user are not looked at", c)
		}
		o.Anonymous = true
		if got := (&Session{o: o}).puller(nil).config; got != "" {
			t.Errorf("%+v: %s", c, got)
		}
	}
}
