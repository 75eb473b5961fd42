package action

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/runner"
)

// azureLogin is azure/login: the job's az is told who it is. What it may do then is what
// the principal may, where it is one of Cairn's, else what the job may.
type azureLogin struct{ major int }

// azureCredentials is the JSON of a principal, as az ad sp create-for-rbac prints it.
type azureCredentials struct {
	ClientID       string `json:"clientId"`
	ClientSecret   string `json:"clientSecret"`
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId"`
}

// Run does the step.
func (a *azureLogin) Run(ctx context.Context, c *runner.StepContext) error {
	kind := strings.ToUpper(c.Input("auth-type"))
	if kind == "" {
		kind = "SERVICE_PRINCIPAL"
	}
	if kind != "SERVICE_PRINCIPAL" && kind != "IDENTITY" {
		return cairn.Errorf(cairn.CodeInvalid, "The auth-type '%s' is not supported.", c.Input("auth-type")).WithHint("allowed are SERVICE_PRINCIPAL and IDENTITY")
	}
	cred, err := azureWanted(c)
	if err != nil {
		return err
	}
	args := []string{"login", "--output", "none"}
	switch {
	case kind == "IDENTITY":
		args = append(args, "--identity")
		if cred.ClientID != "" {
			args = append(args, "--client-id", cred.ClientID)
		}
	case cred.ClientSecret != "":
		// On the command line everybody could read it.
		file := filepath.Join(c.Dirs.Temp, "azure-"+strings.ReplaceAll(c.ID, "/", "-")+".secret")
		if err := os.WriteFile(file, []byte(cred.ClientSecret), 0o600); err != nil {
			return cairn.Errorf(cairn.CodeFailed, "the secret cannot be handed to az: %w", err)
		}
		defer os.Remove(file)
		args = append(args, "--service-principal", "--username", cred.ClientID, "--password", "@"+file, "--tenant", cred.TenantID)
	default:
		if c.Spec == nil || c.Spec.Permissions["id-token"] != "write" {
			return cairn.Errorf(cairn.CodeForbidden, "Failed to fetch federated token from GitHub. Please make sure to give write permissions to id-token in the workflow.").
				WithHint("permissions: {id-token: write}")
		}
		args = append(args, "--service-principal", "--username", cred.ClientID, "--tenant", cred.TenantID, "--federated-token", "of-the-job")
	}
	if err := az(ctx, c, args...); err != nil {
		return cairn.Errorf(cairn.CodeOf(err), "Login failed: %w", err).WithHint("%s", cairn.AsError(err).Hint)
	}
	if cred.SubscriptionID != "" {
		if err := az(ctx, c, "account", "set", "--subscription", cred.SubscriptionID); err != nil {
			return err
		}
	}
	if on, err := boolInput(c, "enable-AzPSSession", false); err != nil {
		return err
	} else if on {
		c.Warn("PowerShell's session of Azure is not set up here; az is logged in")
	}
	c.Logf("az is logged in.")
	return nil
}

// Post logs out.
func (a *azureLogin) Post(ctx context.Context, c *runner.StepContext) error {
	return az(ctx, c, "account", "clear")
}

// azureWanted reads who is to log in: ids as inputs go before the JSON.
func azureWanted(c *runner.StepContext) (azureCredentials, error) {
	out := azureCredentials{ClientID: c.Input("client-id"), TenantID: c.Input("tenant-id"), SubscriptionID: c.Input("subscription-id")}
	identity := strings.EqualFold(c.Input("auth-type"), "IDENTITY")
	text := c.Input("creds")
	if text != "" && out.ClientID == "" && !identity {
		var given azureCredentials
		if err := json.Unmarshal([]byte(text), &given); err != nil {
			// The text holds a secret: nothing of it is shown.
			return out, cairn.Errorf(cairn.CodeInvalid, "Login failed with Error: the input 'creds' is not JSON").
				WithHint("it is what az ad sp create-for-rbac --json-auth prints: {\"clientId\", \"clientSecret\", \"tenantId\", \"subscriptionId\"}")
		}
		c.Mask(given.ClientSecret)
		var missing []string
		for name, v := range map[string]string{"clientId": given.ClientID, "clientSecret": given.ClientSecret, "tenantId": given.TenantID} {
			if v == "" {
				missing = append(missing, name)
			}
		}
		if slices.Sort(missing); len(missing) > 0 {
			return out, cairn.Errorf(cairn.CodeInvalid, "Login failed with Error: the input 'creds' lacks %s", strings.Join(missing, ", ")).
				WithHint("az ad sp create-for-rbac --json-auth prints all of it")
		}
		if out.SubscriptionID != "" {
			given.SubscriptionID = out.SubscriptionID
		}
		return given, nil
	}
	if !identity && (out.ClientID == "" || out.TenantID == "") {
		return out, cairn.Errorf(cairn.CodeInvalid, "Login failed with Error: Using auth-type: SERVICE_PRINCIPAL. Not all values are present. Ensure 'client-id' and 'tenant-id' are supplied.").
			WithHint("or creds: ${{ secrets.AZURE_CREDENTIALS }}; is the secret set? cairn secret list shows it")
	}
	return out, nil
}

// azureCLI is azure/CLI: a bash script with az on PATH, on the job's own machine.
type azureCLI struct{ major int }

// Run does the step.
func (a *azureCLI) Run(ctx context.Context, c *runner.StepContext) error {
	script := c.Inputs["inlinescript"]
	if strings.TrimSpace(script) == "" {
		return cairn.Errorf(cairn.CodeInvalid, "Please enter a valid script.").WithHint("inlineScript: |")
	}
	if v := c.Input("azcliversion"); v != "" && v != "latest" && v != "agentazcliversion" {
		c.Logf("azcliversion %s: the az of this machine is used", v)
	}
	dir := filepath.Join(c.Dirs.Temp, "_cairn")
	if err := makeFolder(c, dir, 0o755); err != nil {
		return err
	}
	file := filepath.Join(dir, "azure-cli-"+strings.ReplaceAll(c.ID, "/", "-")+".sh")
	if err := os.WriteFile(file, []byte("set -e\n"+strings.ReplaceAll(script, "\r\n", "\n")+"\n"), 0o700); err != nil {
		return cairn.Errorf(cairn.CodeFailed, "the script cannot be written: %w", err)
	}
	defer os.Remove(file)
	code, err := c.Command(ctx, runner.Process{Args: []string{"bash", "--noprofile", "--norc", file}})
	if err != nil {
		return err
	}
	if code != 0 {
		return cairn.Errorf(cairn.CodeFailed, "az CLI script failed with exit code %d", code)
	}
	return nil
}

// az runs the job's az.
func az(ctx context.Context, c *runner.StepContext, args ...string) error {
	var said headBuffer
	code, err := c.Exec(ctx, runner.Process{Args: append([]string{"az"}, args...), Stdout: c.Log, Stderr: &said})
	if err != nil {
		return err
	}
	text := strings.TrimSpace(said.String())
	if code != 0 {
		return cairn.Errorf(cairn.CodeFailed, "%s", strings.TrimPrefix(text, "ERROR: "))
	}
	for line := range strings.Lines(text) {
		if w, ok := strings.CutPrefix(strings.TrimSpace(line), "WARNING: "); ok {
			c.Warn("%s", w)
		}
	}
	return nil
}

// headBuffer keeps the first few KiB of what a program says.
type headBuffer struct{ b []byte }

const maxSaid = 16 << 10

func (t *headBuffer) Write(p []byte) (int, error) {
	t.b = append(t.b, p[:min(len(p), maxSaid-len(t.b))]...)
	return len(p), nil
}

func (t *headBuffer) String() string { return string(t.b) }
