package mlflow

import (
	"net/http"
	"net/url"
	"strings"
)

// routes are the endpoints by method and path below /api/2.0/mlflow/.
func routes() map[string]route {
	read := func(do func(*handler, *call) (any, error)) route { return route{read: true, do: do} }
	write := func(do func(*handler, *call) (any, error)) route { return route{do: do} }
	return map[string]route{
		"POST experiments/create":                write((*handler).createExperiment),
		"GET experiments/get":                    read((*handler).getExperiment),
		"GET experiments/get-by-name":            read((*handler).getExperimentByName),
		"POST experiments/search":                read((*handler).searchExperiments),
		"GET experiments/search":                 read((*handler).searchExperiments),
		"POST experiments/delete":                write((*handler).deleteExperiment),
		"POST experiments/restore":               write((*handler).restoreExperiment),
		"POST experiments/update":                write((*handler).updateExperiment),
		"POST experiments/set-experiment-tag":    write((*handler).setExperimentTag),
		"POST experiments/delete-experiment-tag": write((*handler).deleteExperimentTag),

		"POST runs/create":        write((*handler).createRun),
		"GET runs/get":            read((*handler).getRun),
		"POST runs/update":        write((*handler).updateRun),
		"POST runs/delete":        write((*handler).deleteRun),
		"POST runs/restore":       write((*handler).restoreRun),
		"POST runs/search":        read((*handler).searchRuns),
		"POST runs/log-metric":    write((*handler).logMetric),
		"POST runs/log-parameter": write((*handler).logParam),
		"POST runs/log-batch":     write((*handler).logBatch),
		"POST runs/set-tag":       write((*handler).setTag),
		"POST runs/delete-tag":    write((*handler).deleteTag),
		"POST runs/log-inputs":    write((*handler).logInputs),
		"POST runs/outputs":       write((*handler).logOutputs),
		"POST runs/log-model":     write((*handler).logModel),
		"GET metrics/get-history": read((*handler).metricHistory),
		"GET artifacts/list":      read((*handler).listRunArtifacts),

		"POST logged-models":        write((*handler).createLogged),
		"POST logged-models/search": read((*handler).searchLogged),

		"POST registered-models/create":              write((*handler).createModel),
		"GET registered-models/get":                  read((*handler).getModel),
		"PATCH registered-models/update":             write((*handler).updateModel),
		"POST registered-models/rename":              write((*handler).renameModel),
		"DELETE registered-models/delete":            write((*handler).deleteModel),
		"GET registered-models/search":               read((*handler).searchModels),
		"POST registered-models/get-latest-versions": read((*handler).latestVersions),
		"GET registered-models/get-latest-versions":  read((*handler).latestVersions),
		"POST registered-models/set-tag":             write((*handler).setModelTag),
		"DELETE registered-models/delete-tag":        write((*handler).deleteModelTag),
		"POST registered-models/alias":               write((*handler).setAlias),
		"DELETE registered-models/alias":             write((*handler).deleteAlias),
		"GET registered-models/alias":                read((*handler).getByAlias),

		"POST model-versions/create":           write((*handler).createVersion),
		"GET model-versions/get":               read((*handler).getVersion),
		"PATCH model-versions/update":          write((*handler).updateVersion),
		"DELETE model-versions/delete":         write((*handler).deleteVersion),
		"POST model-versions/transition-stage": write((*handler).transitionStage),
		"GET model-versions/search":            read((*handler).searchVersions),
		"GET model-versions/get-download-uri":  read((*handler).downloadURI),
		"POST model-versions/set-tag":          write((*handler).setVersionTag),
		"DELETE model-versions/delete-tag":     write((*handler).deleteVersionTag),
	}
}

// loggedRoute finds the endpoints that have a logged model's id in their path.
func loggedRoute(method, name string) (route, []string, bool) {
	parts := strings.Split(name, "/")
	if parts[0] != "logged-models" || len(parts) < 2 {
		return route{}, nil, false
	}
	for i := range parts {
		p, err := url.PathUnescape(parts[i])
		if err != nil {
			return route{}, nil, false
		}
		parts[i] = p
	}
	args := parts[1:2]
	switch {
	case len(parts) == 2 && method == http.MethodGet:
		return route{read: true, do: (*handler).getLogged}, args, true
	case len(parts) == 2 && method == http.MethodPatch:
		return route{do: (*handler).finishLogged}, args, true
	case len(parts) == 2 && method == http.MethodDelete:
		return route{do: (*handler).deleteLogged}, args, true
	case len(parts) == 3 && parts[2] == "params" && method == http.MethodPost:
		return route{do: (*handler).addLoggedParams}, args, true
	case len(parts) == 3 && parts[2] == "tags" && method == http.MethodPatch:
		return route{do: (*handler).setLoggedTags}, args, true
	case len(parts) >= 4 && parts[2] == "tags" && method == http.MethodDelete: // keys may hold slashes
		return route{do: (*handler).deleteLoggedTag}, []string{parts[1], strings.Join(parts[3:], "/")}, true
	case len(parts) == 4 && parts[2] == "artifacts" && parts[3] == "directories" && method == http.MethodGet:
		return route{read: true, do: (*handler).listLoggedArtifacts}, args, true
	case len(parts) == 4 && parts[2] == "artifacts" && parts[3] == "files" && method == http.MethodGet:
		return route{read: true, do: (*handler).getLoggedArtifact}, args, true
	}
	return route{}, nil, false
}
