package az

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/az/query"
)

// maxSecret bounds a secret that is read from a file or from standard input.
const maxSecret = 64 << 10

func accountCommands() []command {
	subscription := arg{flags: []string{"--subscription", "-s", "--name", "-n"}, dest: "name", help: "Name or ID of subscription."}
	needed := subscription
	needed.required = true
	return []command{
		{path: "login", short: "Log in: here as a principal of Cairn's, as the job, or as yourself.", open: true, run: logIn, args: []arg{
			{flags: []string{"--service-principal"}, dest: "service_principal", kind: bare, help: "Log in with a service principal."},
			{flags: []string{"--username", "-u"}, dest: "username", help: "Client id of the principal."},
			{flags: []string{"--password", "-p"}, dest: "password", help: "Secret of the principal; @FILE or @- (standard input) keep it out of the list of processes."},
			{flags: []string{"--tenant", "-t"}, dest: "tenant", help: "The tenant."},
			{flags: []string{"--identity", "-i"}, dest: "identity", kind: bare, help: "Log in as the job itself."},
			{flags: []string{"--client-id"}, dest: "client_id", help: "Client id of a managed identity."},
			{flags: []string{"--object-id"}, dest: "object_id", help: "Object id of a managed identity."},
			{flags: []string{"--resource-id"}, dest: "resource_id", help: "Resource id of a managed identity."},
			{flags: []string{"--federated-token"}, dest: "federated_token", help: "An OIDC token of the job."},
			{flags: []string{"--certificate"}, dest: "certificate", help: "A certificate: not taken here."},
			{flags: []string{"--use-device-code"}, dest: "use_device_code", kind: bare, help: "Says nothing here."},
			{flags: []string{"--allow-no-subscriptions"}, dest: "allow_no_subscriptions", kind: bare, help: "Says nothing here."},
			{flags: []string{"--use-cert-sn-issuer"}, dest: "use_cert_sn_issuer", kind: bare, help: "Says nothing here."},
			{flags: []string{"--scope"}, dest: "scope", kind: append1, help: "Says nothing here."},
			{flags: []string{"--claims-challenge"}, dest: "claims_challenge", help: "Says nothing here."},
			{flags: []string{"--skip-subscription-discovery"}, dest: "skip_subscription_discovery", kind: bare, help: "Says nothing here."},
			{flags: []string{"--environment"}, dest: "environment", help: "Says nothing here."},
		}},
		{path: "logout", short: "Log out.", open: true, run: logOut, args: []arg{{flags: []string{"--username"}, dest: "username", help: "Account user."}}},
		{path: "account show", short: "Who is logged in, and where.", run: showAccount, args: []arg{subscription}},
		{path: "account list", short: "List subscriptions: there is one.", run: listAccounts, args: []arg{
			{flags: []string{"--all"}, dest: "all", kind: bare, help: "List all subscriptions."},
			{flags: []string{"--refresh"}, dest: "refresh", kind: bare, help: "Says nothing here."},
		}},
		{path: "account set", short: "Choose a subscription: any name leads to the one workspace.", run: setAccount, args: []arg{needed}},
		{path: "account clear", short: "Forget who is logged in.", open: true, run: func(_ context.Context, c *call) (any, error) {
			c.env.login = &login{Out: true}
			return nil, c.env.saveLogin()
		}},
		{path: "account get-access-token", short: "The token that Cairn's API takes.", run: accessToken, args: []arg{
			subscription, {flags: []string{"--resource"}, dest: "resource", help: "Says nothing here."},
			{flags: []string{"--resource-type"}, dest: "resource_type", help: "Says nothing here."},
			{flags: []string{"--scope"}, dest: "scope", kind: any0, help: "Says nothing here."},
			{flags: []string{"--tenant", "-t"}, dest: "tenant", help: "The tenant."},
		}},
		{path: "account tenant list", short: "List tenants: there is one.", run: func(_ context.Context, c *call) (any, error) {
			return []any{object("id", "/tenants/"+uuid("tenant"), "tenantId", uuid("tenant"))}, nil
		}},
	}
}

// logIn says who the next lines are. A principal of Cairn's gets its own rights; everybody
// else those of the job, or of the user.
func logIn(ctx context.Context, c *call) (any, error) {
	l := &login{Type: "user", Tenant: c.get("tenant")}
	switch {
	case c.given["certificate"]:
		return nil, cairn.Errorf(cairn.CodeUnsupported, "certificates of principals are not taken here").WithHint("az login --service-principal -u CLIENT-ID -p @FILE --tenant TENANT")
	case c.on("identity"):
		l.Type, l.Name = "servicePrincipal", "systemAssignedIdentity"
		if id := c.get("client_id"); id != "" {
			l.Name = id
		}
	case c.on("service_principal") && c.given["federated_token"]:
		l.Type, l.Name = "servicePrincipal", c.get("username")
		if l.Name == "" {
			return nil, misuse("argument --username/-u: required with --federated-token")
		}
	case c.on("service_principal"):
		if !c.given["username"] || !c.given["password"] || !c.given["tenant"] {
			return nil, cairn.Errorf(cairn.CodeInvalid, "Please specify both username and password in non-interactive mode.").
				WithHint("az login --service-principal -u CLIENT-ID -p @FILE --tenant TENANT")
		}
		secret, err := c.secret(c.get("password"))
		if err != nil {
			return nil, err
		}
		l.Type, l.Name = "servicePrincipal", c.get("username")
		if l.Token, err = c.principal(ctx, l.Name, secret); err != nil {
			return nil, err
		}
	case c.given["password"]:
		return nil, cairn.Errorf(cairn.CodeUnsupported, "users do not log in with a password here").WithHint("a principal does: az ad sp create-for-rbac --name NAME")
	default:
		who, err := whoAmI(ctx, c)
		if err != nil {
			return nil, err
		}
		l.Name = who
	}
	c.env.login = l
	if err := c.env.saveLogin(); err != nil {
		return nil, err
	}
	return listAccounts(ctx, c)
}

// principal checks a principal's secret. That of somebody else's tenant cannot be
// checked: it is let in with the rights that the line has without it.
func (c *call) principal(ctx context.Context, id, secret string) (token string, err error) {
	if !strings.HasPrefix(secret, tokenPrefix) {
		fmt.Fprintf(c.k.Term.Err, "WARNING: %s is no principal of this Cairn: what follows has the rights of %s\n", id, c.own())
		return "", nil
	}
	var p *cairn.Principal
	cl, err := c.env.dial(ctx, secret)
	if err == nil {
		p, err = cl.WhoAmI(ctx)
	}
	switch {
	case cairn.CodeOf(err) == cairn.CodeUnauthenticated:
		return "", cairn.Errorf(cairn.CodeUnauthenticated, "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", id).
			WithHint("it may have expired or been taken back: az ad sp create-for-rbac --name NAME makes another")
	case err != nil:
		return "", err
	case uuid(p.Name) != id && p.Name != id:
		return "", cairn.Errorf(cairn.CodeUnauthenticated, "AADSTS700016: Application with identifier '%s' was not found in the directory 'cairn'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.", id).
			WithHint("the secret is that of %s, whose client id is %s", p.Name, uuid(p.Name))
	}
	return secret, nil
}

// tokenPrefix begins the tokens of Cairn's principals.
const tokenPrefix = "cairn_"

// own is whose rights a line has without a login.
func (c *call) own() string {
	if c.k.Env("CAIRN_TOKEN") != "" {
		return "the job"
	}
	return "the user"
}

// secret reads a secret: as it is, or from a file or standard input behind "@".
func (c *call) secret(given string) (string, error) {
	name, ok := strings.CutPrefix(given, "@")
	if !ok {
		return given, nil
	}
	var r io.Reader = c.k.Term.In
	if name != "-" {
		f, err := os.Open(c.k.Path(name))
		if err != nil {
			return "", cairn.Errorf(cairn.CodeNotFound, "the secret cannot be read from %s: %w", name, errors.Unwrap(err))
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxSecret+1))
	if err != nil || len(b) > maxSecret {
		return "", cairn.Errorf(cairn.CodeInvalid, "the secret cannot be read, or has more than %d bytes", maxSecret)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

func logOut(_ context.Context, c *call) (any, error) {
	if l := c.env.login; l == nil || l.Out {
		return nil, cairn.Errorf(cairn.CodeInvalid, "There are no active accounts.")
	}
	c.env.login = &login{Out: true}
	return nil, c.env.saveLogin()
}

// whoAmI is the name of whoever types.
func whoAmI(ctx context.Context, c *call) (string, error) {
	cl, err := c.client(ctx)
	if err != nil {
		return "", err
	}
	p, err := cl.WhoAmI(ctx)
	if err != nil {
		return "", err
	}
	return p.Name, nil
}

// account is the one subscription; the name of its cloud is called otherwise in a list.
func account(ctx context.Context, c *call, cloud string) (*query.Object, error) {
	name, kind := "", "user"
	if l := c.env.login; l != nil && l.Name != "" {
		name, kind = l.Name, l.Type
	} else {
		var err error
		if name, err = whoAmI(ctx, c); err != nil {
			return nil, err
		}
	}
	tenant := uuid("tenant")
	if l := c.env.login; l != nil && l.Tenant != "" {
		tenant = l.Tenant
	}
	return object(cloud, "AzureCloud", "homeTenantId", tenant, "id", c.env.subscription(), "isDefault", true,
		"managedByTenants", []any{}, "name", subscriptionName, "state", "Enabled", "tenantId", tenant, "user", object("name", name, "type", kind)), nil
}

func showAccount(ctx context.Context, c *call) (any, error) {
	return account(ctx, c, "environmentName")
}

func listAccounts(ctx context.Context, c *call) (any, error) {
	a, err := account(ctx, c, "cloudName")
	if err != nil {
		return nil, err
	}
	return []any{a}, nil
}

func setAccount(_ context.Context, c *call) (any, error) {
	if c.env.login == nil {
		c.env.login = &login{}
	}
	c.env.login.Subscription = c.get("name")
	return nil, c.env.saveLogin()
}

// tokenTime is how long a job's token is said to hold: it ends with the job.
const tokenTime = time.Hour

func accessToken(_ context.Context, c *call) (any, error) {
	token := c.k.Env("CAIRN_TOKEN")
	if l := c.env.login; l != nil && l.Token != "" {
		token = l.Token
	}
	if token == "" {
		return nil, cairn.Errorf(cairn.CodeUnsupported, "there is no token: on this machine you are known by the server's socket").
			WithHint("cairn token create makes one")
	}
	at := c.k.Now().Add(tokenTime)
	return object("accessToken", token, "expiresOn", at.Local().Format("2006-01-02 15:04:05.000000"), "expires_on", at.Unix(),
		"subscription", c.env.subscription(), "tenant", uuid("tenant"), "tokenType", "Bearer"), nil
}

// object makes an object of keys and values in turn.
func object(kv ...any) *query.Object {
	o := query.NewObject()
	for i := 0; i+1 < len(kv); i += 2 {
		o.Set(kv[i].(string), kv[i+1])
	}
	return o
}
