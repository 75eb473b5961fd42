package az

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/cli/kit"
)

// Names that answers carry where the original has those of a subscription: there is one
// workspace, and whatever a line calls it leads there.
const (
	subscriptionName = "cairn"
	defaultGroup     = "cairn"
	defaultWorkspace = "default"
	defaultLocation  = "local"
)

// environment is what is kept between commands: the configuration, and who logged in.
type environment struct {
	dir   string
	cfg   *ini
	login *login
	dial  func(ctx context.Context, token string) (*kit.Client, error)
}

// login is who `az login` said that it is.
type login struct {
	Name   string `json:"name"`             // of the user, or the client id of a principal
	Type   string `json:"type"`             // user, servicePrincipal
	Tenant string `json:"tenant,omitempty"` // as it was given
	// Token is the secret of a principal of Cairn's; "" leaves the rights of the job or
	// of the user.
	Token string `json:"token,omitempty"`
	// Subscription is what `az account set` chose.
	Subscription string `json:"subscription,omitempty"`
	// Out says that `az logout` was typed.
	Out bool `json:"out,omitempty"`
}

// openEnvironment reads what is kept. In a job it lies in the job's own home; elsewhere
// apart from what the original keeps in ~/.azure.
func openEnvironment(k *kit.Kit) (*environment, error) {
	e := &environment{dir: k.Env("AZURE_CONFIG_DIR")}
	if e.dir == "" {
		switch home := k.Env("HOME"); {
		case home == "":
			return nil, cairn.Errorf(cairn.CodeInvalid, "HOME is not set").WithHint("set it, or AZURE_CONFIG_DIR")
		case k.Env("CAIRN_TOKEN") != "":
			e.dir = filepath.Join(home, ".azure")
		default:
			e.dir = filepath.Join(home, ".config", "cairn", "azure")
		}
	}
	var err error
	if e.cfg, err = readINI(filepath.Join(e.dir, "config")); err != nil {
		return nil, err
	}
	if _, ok := e.cfg.get("cloud", "name"); !ok {
		e.cfg.set("cloud", "name", "AzureCloud")
	}
	text, err := os.ReadFile(e.loginFile())
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, cairn.Errorf(cairn.CodeFailed, "who is logged in cannot be read: %w", err)
	default:
		e.login = &login{}
		if err := json.Unmarshal(text, e.login); err != nil {
			return nil, cairn.Errorf(cairn.CodeInvalid, "%s is damaged", e.loginFile()).WithHint("az login writes it again")
		}
	}
	return e, nil
}

func (e *environment) loginFile() string { return filepath.Join(e.dir, "cairnProfile.json") }

func (e *environment) saveLogin() error {
	text, err := json.Marshal(e.login)
	if err != nil {
		return err
	}
	return writePrivate(e.loginFile(), text)
}

// setting is a value of the configuration; AZURE_SECTION_NAME goes before the file.
func (e *environment) setting(k *kit.Kit, section, name string) string {
	if v := k.Env("AZURE_" + upper(section) + "_" + upper(name)); v != "" {
		return v
	}
	v, _ := e.cfg.get(section, name)
	return v
}

func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 32
		}
	}
	return string(b)
}

// uuid is a fixed id for a name.
func uuid(name string) string {
	h := sha256.Sum256([]byte("cairn\x00" + name))
	h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

// subscription is the id that answers carry.
func (e *environment) subscription() string {
	if e.login != nil && e.login.Subscription != "" {
		return e.login.Subscription
	}
	return uuid("subscription")
}

// client reaches the server with the rights of who logged in.
func (c *call) client(ctx context.Context) (*kit.Client, error) { return c.k.Client(ctx) }

// group and workspace are the names that a line means, for answers.
func (c *call) group() string { return c.named("resource_group", "group", defaultGroup) }

func (c *call) workspace() string { return c.named("workspace_name", "workspace", defaultWorkspace) }

func (c *call) named(dest, config, def string) string {
	if v := c.get(dest); v != "" {
		return v
	}
	if v := c.env.setting(c.k, "defaults", config); v != "" {
		return v
	}
	return def
}

// armID is the long id of something in the workspace: "models/digits/versions/1".
func (c *call) armID(rest string) string {
	return fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/Microsoft.MachineLearningServices/workspaces/%s/%s",
		c.env.subscription(), c.group(), c.workspace(), rest)
}
