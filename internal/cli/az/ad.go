package az

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
)

func adCommands() []command {
	return []command{{path: "ad sp create-for-rbac", short: "Make a principal of Cairn's, and a secret for it.", run: createPrincipal, args: []arg{
		{flags: []string{"--name", "--display-name", "-n"}, dest: "name", help: "Name of the principal."},
		{flags: []string{"--role"}, dest: "role", help: "Reader, Contributor or Owner."},
		{flags: []string{"--scopes"}, dest: "scopes", kind: many, help: "Space-separated scopes; all of them are the one workspace."},
		{flags: []string{"--years"}, dest: "years", def: "1", help: "Number of years for which the secret holds."},
		{flags: []string{"--sdk-auth", "--json-auth"}, dest: "sdk_auth", kind: switched, help: "Answer in the shape that azure/login takes."},
		{flags: []string{"--create-password"}, dest: "create_password", kind: switched, def: "true", help: "Make a secret."},
	}}}
}

// roles are the words of the original for what a principal may do.
func roleOf(word string) (cairn.Role, error) {
	switch strings.ToLower(word) {
	case "", "reader", "azureml compute operator":
		return cairn.RoleReader, nil
	case "contributor", "azureml data scientist":
		return cairn.RoleWriter, nil
	case "owner", "user access administrator":
		return cairn.RoleAdmin, nil
	}
	return "", cairn.Errorf(cairn.CodeInvalid, "Role '%s' doesn't exist.", word).WithHint("there are Reader, Contributor and Owner")
}

// principalName is what is left of a name that users may have.
var principalName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func createPrincipal(ctx context.Context, c *call) (any, error) {
	role, err := roleOf(c.get("role"))
	if err != nil {
		return nil, err
	}
	if c.given["role"] != c.given["scopes"] {
		return nil, cairn.Errorf(cairn.CodeInvalid, "Usage error: To create role assignments, specify both --role and --scopes.")
	}
	years, err := number(c.get("years"), "--years")
	if err != nil || years < 1 || years > 10 {
		return nil, cairn.Errorf(cairn.CodeInvalid, "--years is 1 to 10")
	}
	shown := c.get("name")
	if shown == "" {
		shown = "azure-cli-" + c.k.Now().UTC().Format("2006-01-02-15-04-05")
	}
	name := strings.Trim(principalName.ReplaceAllString(shown, "-"), "-.")
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	// As the original: one that is there gets another secret, and the role that is asked for.
	p, err := cl.CreateUser(ctx, cairn.Principal{Name: name, Role: role})
	if cairn.CodeOf(err) == cairn.CodeConflict {
		p, err = c.known(ctx, name, role)
	}
	if err != nil {
		return nil, err
	}
	out := object("appId", uuid(p.Name), "displayName", shown, "password", nil, "tenant", uuid("tenant"))
	var secret any
	if c.get("create_password") == "true" {
		t, err := cl.CreateToken(ctx, p.Name, "az ad sp create-for-rbac", c.k.Now().UTC().Add(time.Duration(years)*365*24*time.Hour))
		if err != nil {
			return nil, err
		}
		secret = t.Text
	}
	if !c.on("only_show_errors") {
		fmt.Fprintf(c.k.Term.Err, "WARNING: %s is a user of this Cairn with the role %s. The output includes credentials that you must protect: they are shown this once.\n", p.Name, p.Role)
	}
	if out.Set("password", secret); !c.on("sdk_auth") {
		return out, nil
	}
	return object("clientId", uuid(p.Name), "clientSecret", secret, "subscriptionId", c.env.subscription(), "tenantId", uuid("tenant"),
		"activeDirectoryEndpointUrl", "https://login.microsoftonline.com", "resourceManagerEndpointUrl", "https://management.azure.com/",
		"activeDirectoryGraphResourceId", "https://graph.windows.net/", "sqlManagementEndpointUrl", "https://management.core.windows.net:8443/",
		"galleryEndpointUrl", "https://gallery.azure.com/", "managementEndpointUrl", "https://management.core.windows.net/"), nil
}

// known is a principal that is there: its role becomes the one that is asked for. A
// person's account is not taken over.
func (c *call) known(ctx context.Context, name string, role cairn.Role) (*cairn.Principal, error) {
	cl, err := c.client(ctx)
	if err != nil {
		return nil, err
	}
	users, err := cl.Users(ctx)
	if err != nil {
		return nil, err
	}
	for i := range users {
		p := &users[i]
		if p.Name != name {
			continue
		}
		if p.Email != "" || p.Disabled {
			break
		}
		if p.Role == role || !c.given["role"] {
			return p, nil
		}
		return cl.UpdateUser(ctx, cairn.Principal{Name: name, Role: role})
	}
	return nil, cairn.Errorf(cairn.CodeConflict, "%s is the account of a person, or is disabled", name).WithHint("choose another --name")
}
