package server

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/auth"
)

// AzureNames lists what is said of names of workspaces of Azure.
func (s *Server) AzureNames(ctx context.Context) ([]cairn.AzureName, error) {
	return s.store.AzureNames(ctx, Workspace)
}

// PutAzureName lets a name lead to the workspace, or refuses it. A home has one workspace: that
// a name led to another one would be a promise that nothing keeps.
func (s *Server) PutAzureName(ctx context.Context, n cairn.AzureName) (*cairn.AzureName, error) {
	var err error
	if n.Name, err = cairn.ParseAzureName(n.Name); err != nil {
		return nil, err
	}
	switch {
	case n.Refused && n.Workspace != "":
		return nil, cairn.Errorf(cairn.CodeInvalid, "a name that is refused leads to no workspace")
	case n.Refused:
	case n.Workspace != Workspace:
		return nil, cairn.Errorf(cairn.CodeUnsupported, "there is no workspace %q here: a home has one, %s", clipText(n.Workspace, 100), Workspace).
			WithHint("another home is another workspace: CAIRN_HOME=FOLDER cairn serve; or refuse the name: cairn azure map NAME --refuse")
	}
	n.By, n.CreatedAt = auth.Actor(ctx).Name, s.now().UTC()
	return &n, s.store.PutAzureName(ctx, Workspace, n, azureNameChange(n.By, n.Name, n))
}

// DeleteAzureName forgets what was said of one.
func (s *Server) DeleteAzureName(ctx context.Context, name string) error {
	name, err := cairn.ParseAzureName(name)
	if err != nil {
		return err
	}
	err = s.store.DeleteAzureName(ctx, Workspace, name, azureNameChange(auth.Actor(ctx).Name, name, nil))
	if cairn.CodeOf(err) != cairn.CodeNotFound {
		return err
	}
	all, lerr := s.store.AzureNames(ctx, Workspace)
	if lerr != nil {
		return lerr
	}
	names := []string{}
	for _, n := range all {
		names = append(names, n.Name)
	}
	if len(names) == 0 {
		names = []string{"none"}
	}
	return cairn.Errorf(cairn.CodeNotFound, "nothing is said of %s", name).WithHint("there are lines of %s", strings.Join(names, ", "))
}

func azureNameChange(by, name string, row any) cairn.Change {
	b, err := json.Marshal(row)
	if err != nil {
		b = nil // plain fields always encode
	}
	return cairn.Change{By: by, Events: []cairn.Event{{Kind: cairn.EvRecorded, Subject: cairn.NewRef("azure-name", name), Data: b}}}
}
