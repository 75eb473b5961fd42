package auth

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
)

func TestSecretLevels(t *testing.T) {
	t.Parallel()
	s, _ := service(t)
	ctx := as("ana", cairn.RoleAdmin)
	// However an environment is spelled, it is one.
	for scope, names := range map[cairn.Scope][]string{
		cairn.ScopeWorkspace:                      {"A", "B", "C"},
		cairn.ScopeRepo("o/r"):                    {"B", "C"},
		cairn.ScopeEnv("o/r", "Production"):       {"C"},
		cairn.ScopeRepo("o/other"):                {"A"},
		cairn.ScopeEnv("o/r", "another:with:sep"): {"A"},
	} {
		for _, n := range names {
			if err := s.SetSecret(ctx, scope, n, "v"); err != nil {
				t.Fatal(err)
			}
			if err := s.SetVariable(ctx, scope, n, "v"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got, err := s.RunSecrets(ctx, &cairn.Run{ID: 1, Repository: "o/r"}, "pRODUCTION"); err != nil || len(got) != 3 {
		t.Errorf("a job of the environment sees %v (%v)", got, err)
	}
	want := "A workspace , B workspace repo:o/r, C workspace env:o/r:production, B repo:o/r , C repo:o/r env:o/r:production, C env:o/r:production "
	secrets, err := s.SecretsSeen(ctx, cairn.ScopeEnv("o/r", "PRODUCTION"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, x := range secrets {
		got = append(got, fmt.Sprintf("%s %s %s", x.Name, x.Scope, x.HiddenBy))
	}
	if strings.Join(got, ", ") != want {
		t.Errorf("secrets\n got %s\nwant %s", strings.Join(got, ", "), want)
	}
	variables, err := s.VariablesSeen(ctx, cairn.ScopeEnv("o/r", "production"))
	if err != nil {
		t.Fatal(err)
	}
	got = nil
	for _, x := range variables {
		got = append(got, fmt.Sprintf("%s %s %s", x.Name, x.Scope, x.HiddenBy))
	}
	if strings.Join(got, ", ") != want {
		t.Errorf("variables\n got %s\nwant %s", strings.Join(got, ", "), want)
	}
}

func TestSecretLimits(t *testing.T) {
	t.Parallel()
	s, _ := service(t)
	ctx := as("ana", cairn.RoleAdmin)
	scope := cairn.ScopeRepo("o/r")
	values := map[string]string{}
	for i := range nameLimit {
		values[fmt.Sprintf("N%d", i)] = "v"
	}
	if err := s.putSecrets(ctx, scope, values); err != nil {
		t.Fatal(err)
	}
	if err := s.SetSecret(ctx, scope, "one_more", "v"); cairn.CodeOf(err) != cairn.CodeTooLarge {
		t.Errorf("one more: %v", err)
	}
	if err := s.SetSecret(ctx, scope, "n7", "another value"); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	for size, code := range map[int]cairn.Code{48 << 10: "", 48<<10 + 1: cairn.CodeTooLarge} {
		if err := s.SetSecret(ctx, cairn.ScopeWorkspace, "big", strings.Repeat("x", size)); cairn.CodeOf(err) != code {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err := s.SetVariable(ctx, cairn.ScopeWorkspace, "big", strings.Repeat("x", size)); cairn.CodeOf(err) != code {
			t.Errorf("%d bytes of a variable: %v", size, err)
		}
	}
}
