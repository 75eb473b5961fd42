package cairn

import (
	"strings"
	"time"
)

// AzureName says what scripts written for Azure Machine Learning reach under a name that they
// call a workspace by. Without one every name is that of the workspace there is.
type AzureName struct {
	// Name is SUBSCRIPTION/GROUP/WORKSPACE in lower case; each may be * for any.
	Name string `json:"name"`
	// Workspace is the one that is meant; "" where the name is refused.
	Workspace string    `json:"workspace,omitempty"`
	Refused   bool      `json:"refused,omitempty"`
	By        string    `json:"by"`
	CreatedAt time.Time `json:"created_at"`
}

// ParseAzureName reads [[SUBSCRIPTION/]GROUP/]WORKSPACE into the form that AzureName keeps.
func ParseAzureName(text string) (string, error) {
	parts := strings.Split(strings.ToLower(strings.TrimSpace(text)), "/")
	for i, p := range parts {
		if parts[i] = strings.TrimSpace(p); parts[i] == "" || len(p) > 260 || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' }) {
			parts = nil
			break
		}
	}
	if len(parts) == 0 || len(parts) > 3 {
		return "", Errorf(CodeInvalid, "%q is no name of a workspace", text).WithHint("[SUBSCRIPTION/]GROUP/WORKSPACE, each a name or * for any, such as rg-train/ws-train or */ws-train")
	}
	for len(parts) < 3 {
		parts = append([]string{"*"}, parts...)
	}
	return strings.Join(parts, "/"), nil
}

// FindAzureName is the line that a name falls under: the one that says the most, the
// workspace before the group and the group before the subscription; nil where there is none.
// A part that is not known falls under * only.
func FindAzureName(lines []AzureName, subscription, group, workspace string) *AzureName {
	asked, best, most := [3]string{subscription, group, workspace}, -1, -1
	for i := range lines {
		parts := strings.Split(lines[i].Name, "/")
		if len(parts) != len(asked) {
			continue
		}
		says, fits := 0, true
		for j, p := range parts {
			if p == "*" {
				continue
			}
			fits = fits && strings.EqualFold(p, asked[j])
			says |= 1 << j
		}
		if fits && says > most {
			best, most = i, says
		}
	}
	if best < 0 {
		return nil
	}
	return &lines[best]
}
