package server

import (
	"context"
	"path"
	"strings"

	"github.com/cairn-ml/cairn"
)

// datastoreURI takes a path of a datastore apart.
func datastoreURI(uri string) (datastore, p string, ok bool) {
	low := strings.ToLower(uri)
	i := strings.Index(low, "/datastores/")
	if !strings.HasPrefix(low, "azureml://") || i < 0 {
		return "", "", false
	}
	datastore, p, ok = strings.Cut(uri[i+len("/datastores/"):], "/paths/")
	return datastore, p, ok && datastore != "" && !strings.Contains(datastore, "/")
}

// datastoreData is what was last written to a path of a datastore, or below one.
func (s *Server) datastoreData(ctx context.Context, datastore, below string) (cairn.DataValue, error) {
	if err := s.followTasks(ctx); err != nil {
		return cairn.DataValue{}, err
	}
	want := strings.Trim(path.Clean("/"+below), "/")
	for at := want; ; at = strings.Trim(path.Dir("/"+at), "/") {
		p, err := s.store.DatastorePath(ctx, Workspace, datastore, at)
		if err == nil {
			rest := strings.TrimPrefix(strings.TrimPrefix(want, at), "/")
			return s.dataAt(ctx, p.Data, rest, "azureml://datastores/"+datastore+"/paths/"+at)
		}
		if cairn.CodeOf(err) != cairn.CodeNotFound {
			return cairn.DataValue{}, err
		}
		if at == "" {
			return cairn.DataValue{}, s.nothingStored(ctx, datastore, want)
		}
	}
}

// nothingStored says what a datastore holds.
func (s *Server) nothingStored(ctx context.Context, datastore, want string) error {
	e := cairn.Errorf(cairn.CodeNotFound, "nothing lies at %s of datastore %s: datastores hold here what jobs wrote to such a path", want, datastore)
	const hint = "register the data: cairn data create NAME PATH, and name it azureml:NAME@latest"
	ps, err := s.store.DatastorePaths(ctx, Workspace, datastore, "", 200)
	if err != nil {
		return err
	}
	if len(ps) == 0 {
		return e.WithHint("it holds nothing; %s", hint)
	}
	var names []string
	for _, p := range ps {
		names = append(names, p.Path)
	}
	if near := cairn.Nearest(want, names); near != "" {
		return e.WithHint("did you mean %s? else %s", near, hint)
	}
	return e.WithHint("it holds %s; %s", firstOf(names), hint)
}
