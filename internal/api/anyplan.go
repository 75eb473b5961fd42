package api

import (
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"
)

// anyPlan is a plan as it is stored. Its form is that of cairn.Plan, which is
// too deep and too recursive for the description to be of use.
type anyPlan struct{ raw json.RawMessage }

// MarshalJSON gives the stored bytes.
func (p *anyPlan) MarshalJSON() ([]byte, error) { return p.raw, nil }

// Schema describes a plan as an object.
func (p *anyPlan) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Description: "a plan, in its canonical encoding"}
}
