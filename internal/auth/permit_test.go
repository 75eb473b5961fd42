package auth

import (
	"context"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestPermit(t *testing.T) {
	t.Parallel()
	job := cairn.Principal{Name: "job/1", Role: cairn.RoleJob, Permissions: cairn.Permissions{"contents": "read", "packages": "write"}}
	fork := job
	fork.Permissions, fork.Untrusted = fork.Permissions.ReadOnly(), true
	for _, c := range []struct {
		who          *cairn.Principal
		scope, level string
		want         string // part of the error; "" for none
	}{
		{nil, "contents", "read", "this needs a token"},
		{&job, "contents", "read", ""},
		{&job, "contents", "write", "has contents: read; this needs write"},
		{&job, "packages", "write", ""},
		{&job, "packages", "read", ""},
		{&job, "issues", "read", "has issues: none; this needs read"},
		{&fork, "packages", "read", ""},
		{&fork, "packages", "write", "untrusted code"},
		{&cairn.Principal{Name: "eva", Role: cairn.RoleReader}, "contents", "read", ""},
		{&cairn.Principal{Name: "eva", Role: cairn.RoleReader}, "contents", "write", "this needs a writer"},
		{&cairn.Principal{Name: "ana", Role: cairn.RoleWriter}, "contents", "write", ""},
	} {
		ctx := context.Background()
		if c.who != nil {
			ctx = With(ctx, *c.who)
		}
		err := Permit(ctx, c.scope, c.level)
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v %s: %s: got %v, want %q", c.who, c.scope, c.level, err, c.want)
		}
	}
}
