package cairn

import (
	"slices"
	"time"
)

// How callers of an endpoint show that they may call it.
const (
	EndpointKey     = "key"       // one of two keys that do not expire
	EndpointToken   = "aml_token" // a token that expires
	EndpointAADAuth = "aad_token" // the same here
)

// Endpoint is an address whose requests are shared out over deployments of models.
type Endpoint struct {
	Workspace string `json:"workspace"`
	Name      string `json:"name"`
	Auth      string `json:"auth"`
	Port      int    `json:"port"`
	URL       string `json:"url"` // http://127.0.0.1:7090
	// Traffic is how many of a hundred requests a deployment gets; their sum is 0 or 100.
	Traffic map[string]int `json:"traffic"`
	// Mirror is how many of a hundred requests a deployment gets a copy of; its answers
	// are thrown away.
	Mirror      map[string]int       `json:"mirror,omitempty"`
	Description string               `json:"description,omitempty"`
	Tags        map[string]string    `json:"tags,omitempty"`
	Properties  map[string]string    `json:"properties,omitempty"`
	Deployments []EndpointDeployment `json:"deployments,omitempty"` // by name
	// Coming are stages that something is being put on: written before it is, so that what
	// an interrupted deployment leaves is known.
	Coming []EndpointStage `json:"coming,omitempty"`
	// Generations of the primary and the secondary key; a key is made from its number.
	Generations [2]int    `json:"generations"`
	By          string    `json:"by"`
	CreatedAt   time.Time `json:"created_at"`
	ChangedAt   time.Time `json:"changed_at"`
}

// EndpointStage names a stage of an endpoint.
type EndpointStage struct {
	Repository string `json:"repository"`
	Stage      string `json:"stage"`
}

// EndpointDeployment is one model with its code behind an endpoint.
type EndpointDeployment struct {
	Name string `json:"name"`
	// Repository and Stage are where it runs, and Deployment the number under which it
	// was put there: from there lineage goes on.
	Repository string       `json:"repository"`
	Stage      string       `json:"stage"`
	Deployment DeploymentID `json:"deployment"`
	Port       int          `json:"port"` // of the stage
	Image      Digest       `json:"image"`
	Model      Ref          `json:"model,omitempty"`
	Spec       EndpointSpec `json:"spec"`
	By         string       `json:"by"`
	At         time.Time    `json:"at"`
}

// EndpointSpec is what a deployment's file says of it.
type EndpointSpec struct {
	Description   string            `json:"description,omitempty"`
	Tags          map[string]string `json:"tags,omitempty"`
	Environment   string            `json:"environment,omitempty"`
	InstanceType  string            `json:"instance_type,omitempty"` // a name, no more
	Instances     int               `json:"instances"`               // how many requests are worked on at once: this times Concurrent
	Concurrent    int               `json:"concurrent"`              // requests at once of one instance
	Timeout       Milliseconds      `json:"timeout"`                 // of a request
	Wait          Milliseconds      `json:"wait"`                    // how long a request may wait for its turn
	Variables     []NamedText       `json:"variables,omitempty"`     // sorted by name
	Port          int               `json:"port,omitempty"`          // inside the image; 0: what the image says
	Health        string            `json:"health,omitempty"`        // path of the readiness probe
	Start         Milliseconds      `json:"start,omitempty"`         // how long it may take to become ready
	Scoring       string            `json:"scoring,omitempty"`       // path in the image that /score means
	CodeScript    string            `json:"code_script,omitempty"`
	ScaleSettings string            `json:"scale_settings,omitempty"`
}

// Find is a deployment by its name; nil where there is none.
func (e *Endpoint) Find(name string) *EndpointDeployment {
	i := slices.IndexFunc(e.Deployments, func(d EndpointDeployment) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return &e.Deployments[i]
}

// ScoringURI is where requests go.
func (e *Endpoint) ScoringURI() string { return e.URL + "/score" }

// EndpointCredentials are what callers of an endpoint show: two keys, or a token.
type EndpointCredentials struct {
	Primary   string    `json:"primary,omitempty"`
	Secondary string    `json:"secondary,omitempty"`
	Token     string    `json:"token,omitempty"`
	Expires   time.Time `json:"expires,omitzero"`
	Refresh   time.Time `json:"refresh,omitzero"`
}
