package pipeline

import (
	_ "embed"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// schemaText is what the azure-ai-ml package says of keys; see dump_schema.py.
//
//go:embed schema.txt
var schemaText string

// field is what may stand at a place. T is the kind: a kind of scalar, or dict, list,
// nested, union. See dump_schema.py for the others.
type field struct {
	T            string   `json:"t"`
	Required     bool     `json:"req,omitempty"`
	ReadOnly     bool     `json:"ro,omitempty"`
	Null         bool     `json:"none,omitempty"`
	Of           []*field `json:"of,omitempty"`
	Keys         *field   `json:"keys,omitempty"`
	Schema       string   `json:"s,omitempty"`
	Unknown      string   `json:"u,omitempty"`
	Vals         []any    `json:"vals,omitempty"`
	Case         string   `json:"case,omitempty"`
	By           string   `json:"by,omitempty"`
	Types        []string `json:"types,omitempty"`
	Pattern      string   `json:"re,omitempty"`
	OneOf        []string `json:"one,omitempty"`
	Range        []any    `json:"range,omitempty"`
	Length       []any    `json:"len,omitempty"`
	Dir          *bool    `json:"allow_dir,omitempty"`
	File         *bool    `json:"allow_file,omitempty"`
	ArmType      string   `json:"azureml_type,omitempty"`
	DefaultLabel bool     `json:"allow_default_version,omitempty"`
	Strict       bool     `json:"strict,omitempty"`
	NoDump       bool     `json:"lo,omitempty"`
	Checks       []string `json:"check,omitempty"`
}

// shape is the keys of a map.
type shape struct {
	Name    string            `json:"-"`
	Unknown string            `json:"unknown"`
	Fields  map[string]*field `json:"fields"`
	Bases   []string          `json:"mro"`
	// known are the keys that a file may have, required those that it has to: in order.
	known, required []string
}

// sort fills in known and required.
func (s *shape) sort() {
	for _, key := range slices.Sorted(maps.Keys(s.Fields)) {
		f := s.Fields[key]
		if !f.ReadOnly && f.T != "ro" {
			s.known = append(s.known, key)
		}
		if f.Required && !s.optional(key) {
			s.required = append(s.required, key)
		}
	}
}

// is reports whether the shape is of a class, or of one that it is derived from.
func (s *shape) is(class string) bool {
	for _, b := range s.Bases {
		if b == class {
			return true
		}
	}
	return false
}

// schemas reads shapes as they are asked for: most files need few of them.
type schemas struct {
	mu    sync.Mutex
	kinds map[string]string
	raw   map[string]string
	read  map[string]*shape
	res   map[string]*regexp.Regexp
}

// loadSchemas splits the embedded file by lines; what stands in them is read when it is
// asked for. It is part of the binary, so that what does not parse is a defect that every
// test shows.
func loadSchemas() (*schemas, error) {
	event := eventTriggerShape()
	s := &schemas{raw: map[string]string{}, read: map[string]*shape{event.Name: event}, res: map[string]*regexp.Regexp{}}
	for line := range strings.Lines(schemaText) {
		name, body, ok := strings.Cut(line, "\t")
		switch {
		case ok:
			s.raw[name] = body
		case strings.HasPrefix(line, "{"):
			if err := json.Unmarshal([]byte(line), &s.kinds); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// of returns the shape of a name; nil where there is none.
func (s *schemas) of(name string) *shape {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.read[name]; ok {
		return x
	}
	raw, ok := s.raw[name]
	if !ok {
		return nil
	}
	x := &shape{Name: name}
	if err := json.Unmarshal([]byte(raw), x); err != nil {
		return nil
	}
	extend(x)
	x.sort()
	s.read[name] = x
	return x
}

// kind returns the shape of a kind of file: "command", "component/command", "data" ….
func (s *schemas) kind(kind string) *shape { return s.of(s.kinds[kind]) }

// re compiles a pattern of the schemas once.
func (s *schemas) re(pattern string) *regexp.Regexp {
	s.mu.Lock()
	defer s.mu.Unlock()
	x, ok := s.res[pattern]
	if !ok {
		x, _ = regexp.Compile(pattern) // of the embedded file; one that Go does not know is not checked
		s.res[pattern] = x
	}
	return x
}

// extend adds what Cairn has beyond the original: the trigger of a schedule that waits
// for an event.
func extend(x *shape) {
	if trigger := x.Fields["trigger"]; trigger != nil && (x.is("ScheduleSchema") || x.is("JobScheduleSchema")) && trigger.T == "union" {
		trigger.Of = append(trigger.Of, &field{T: "nested", Schema: eventTrigger, Unknown: "raise"})
	}
}

// eventTrigger is the name of the shape of a trigger that waits for an event.
const eventTrigger = "EventTrigger"

func eventTriggerShape() *shape {
	text := func() *field { return &field{T: "String"} }
	s := &shape{Name: eventTrigger, Unknown: "raise", Fields: map[string]*field{
		"type":       {T: "enum", Required: true, Vals: []any{"event"}, Case: "lower"},
		"event":      {T: "enum", Required: true, Vals: []any{"data-registered", "model-registered", "model-tagged", "run-completed"}, Case: "lower"},
		"name":       text(),
		"start_time": {T: "union", Of: []*field{{T: "DateTime"}, {T: "DateTimeStr"}}},
		"end_time":   {T: "union", Of: []*field{{T: "DateTime"}, {T: "DateTimeStr"}}},
		"time_zone":  text(),
	}}
	s.sort()
	return s
}
