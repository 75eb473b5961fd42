package action

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// azStep is a step whose az is recorded.
type azStep struct {
	*runner.StepContext
	ran    []string
	secret string // what the file behind --password @FILE held
	log    bytes.Buffer
	masked []string
	fails  string
	code   int
}

func newAzStep(t *testing.T, inputs map[string]string) *azStep {
	t.Helper()
	s := &azStep{}
	s.StepContext = &runner.StepContext{ID: "log/in", Inputs: inputs, Log: &s.log, Dirs: runner.Dirs{Temp: t.TempDir()}, Spec: &cairn.JobSpec{},
		Masked: func(v string) { s.masked = append(s.masked, v) }}
	s.Exec = func(_ context.Context, p runner.Process) (int, error) {
		for i, a := range p.Args {
			if name, ok := strings.CutPrefix(a, "@"); ok {
				b, err := os.ReadFile(name)
				if err != nil {
					return 0, err
				}
				s.secret, p.Args[i] = string(b), "@FILE"
			}
		}
		s.ran = append(s.ran, strings.Join(p.Args, " "))
		if s.fails != "" && p.Stderr != nil {
			_, _ = p.Stderr.Write([]byte(s.fails))
		}
		return s.code, nil
	}
	return s
}

func TestAzureLogin(t *testing.T) {
	t.Parallel()
	creds := `{"clientId":"app","clientSecret":"s3cret-of-app","tenantId":"ten","subscriptionId":"sub"}`
	for name, c := range map[string]struct {
		inputs map[string]string
		oidc   bool
		want   []string // what az is called with
		err    string
	}{
		"json":              {inputs: map[string]string{"creds": creds}, want: []string{"az login --output none --service-principal --username app --password @FILE --tenant ten", "az account set --subscription sub"}},
		"json, other scope": {inputs: map[string]string{"creds": creds, "subscription-id": "mine"}, want: []string{"az login --output none --service-principal --username app --password @FILE --tenant ten", "az account set --subscription mine"}},
		"ids":               {inputs: map[string]string{"client-id": "a", "tenant-id": "t"}, oidc: true, want: []string{"az login --output none --service-principal --username a --tenant t --federated-token of-the-job"}},
		"ids, not allowed":  {inputs: map[string]string{"client-id": "a", "tenant-id": "t"}, err: "give write permissions to id-token"},
		"identity":          {inputs: map[string]string{"auth-type": "identity"}, want: []string{"az login --output none --identity"}},
		"nothing":           {inputs: map[string]string{}, err: "Ensure 'client-id' and 'tenant-id' are supplied"},
		"no json":           {inputs: map[string]string{"creds": "s3cret"}, err: "'creds' is not JSON"},
		"half of it":        {inputs: map[string]string{"creds": `{"clientId":"app"}`}, err: "lacks clientSecret, tenantId"},
		"another way":       {inputs: map[string]string{"auth-type": "magic"}, err: "The auth-type 'magic' is not supported."},
	} {
		s := newAzStep(t, c.inputs)
		if c.oidc {
			s.Spec.Permissions = map[string]string{"id-token": "write"}
		}
		err := (&azureLogin{2}).Run(t.Context(), s.StepContext)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%s: %v, want %s", name, err, c.err)
			}
			continue
		}
		if err != nil || strings.Join(s.ran, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s: %v\n%s", name, err, strings.Join(s.ran, "\n"))
		}
		if strings.HasPrefix(name, "json") {
			if s.secret != "s3cret-of-app" || len(s.masked) != 1 {
				t.Errorf("%s: %q, masked %d", name, s.secret, len(s.masked))
			}
			if left, err := os.ReadDir(s.Dirs.Temp); err != nil || len(left) != 0 {
				t.Errorf("%s: left %v %v", name, left, err)
			}
		}
	}
	s := newAzStep(t, map[string]string{"creds": creds})
	s.code, s.fails = 1, "ERROR: AADSTS7000215: Invalid client secret provided.\nit may have expired\n"
	if err := (&azureLogin{2}).Run(t.Context(), s.StepContext); err == nil || !strings.HasPrefix(err.Error(), "Login failed: AADSTS7000215") {
		t.Error(err)
	}
	s = newAzStep(t, map[string]string{"creds": creds})
	s.fails = "WARNING: app is no principal of this Cairn\n"
	if err := (&azureLogin{2}).Run(t.Context(), s.StepContext); err != nil || len(s.Annotations) == 0 {
		t.Error(err, s.Annotations)
	}
}

func TestAzureCLI(t *testing.T) {
	t.Parallel()
	s := newAzStep(t, map[string]string{"inlinescript": "az version\necho \"$X\"", "azcliversion": "2.64.0"})
	var script string
	s.Command = func(_ context.Context, p runner.Process) (int, error) {
		b, err := os.ReadFile(p.Args[len(p.Args)-1])
		script = string(b)
		return s.code, err
	}
	if err := (&azureCLI{2}).Run(t.Context(), s.StepContext); err != nil || script != "set -e\naz version\necho \"$X\"\n" {
		t.Errorf("%v %q", err, script)
	}
	if !strings.Contains(s.log.String(), "2.64.0") {
		t.Error(s.log.String())
	}
	s.code = 3
	if err := (&azureCLI{2}).Run(t.Context(), s.StepContext); err == nil || !strings.Contains(err.Error(), "exit code 3") {
		t.Error(err)
	}
	s.Inputs["inlinescript"] = " \n"
	if err := (&azureCLI{2}).Run(t.Context(), s.StepContext); err == nil {
		t.Error("an empty script passes")
	}
}
