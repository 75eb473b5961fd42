package track

import "github.com/cairn-ml/cairn"

// grammar says what may stand in a filter or an order of one kind of search.
type grammar struct {
	what     string
	attrs    map[string]bool   // attribute → it is a number
	alias    map[string]string // other spellings of attributes
	subjects []cairn.TrackSubject
	inKeys   []string // attributes that take IN; nil: all strings
	nullable []cairn.TrackSubject
}

var (
	runGrammar = grammar{
		what: "runs",
		attrs: map[string]bool{"run_id": false, "run_name": false, "status": false, "artifact_uri": false, "user_id": false,
			"start_time": true, "end_time": true},
		alias: map[string]string{"created": "start_time", "Created": "start_time", "run name": "run_name", "Run name": "run_name",
			"Run Name": "run_name", "run_uuid": "run_id"},
		subjects: []cairn.TrackSubject{cairn.OfMetric, cairn.OfParam, cairn.OfTag, cairn.OfAttribute, cairn.OfDataset},
		nullable: []cairn.TrackSubject{cairn.OfParam, cairn.OfTag},
	}
	experimentGrammar = grammar{
		what:     "experiments",
		attrs:    map[string]bool{"name": false, "experiment_id": false, "creation_time": true, "last_update_time": true},
		subjects: []cairn.TrackSubject{cairn.OfTag, cairn.OfAttribute},
		nullable: []cairn.TrackSubject{cairn.OfTag},
	}
	modelGrammar = grammar{
		what:     "registered models",
		attrs:    map[string]bool{"name": false, "creation_timestamp": true, "last_updated_timestamp": true},
		alias:    map[string]string{"timestamp": "last_updated_timestamp"},
		subjects: []cairn.TrackSubject{cairn.OfTag, cairn.OfAttribute},
	}
	versionGrammar = grammar{
		what: "model versions",
		attrs: map[string]bool{"name": false, "version_number": true, "run_id": false, "source_path": false,
			"creation_timestamp": true, "last_updated_timestamp": true},
		alias:    map[string]string{"version": "version_number", "source": "source_path"},
		subjects: []cairn.TrackSubject{cairn.OfTag, cairn.OfAttribute},
		inKeys:   []string{"run_id", "name"},
	}
	loggedGrammar = grammar{
		what: "logged models",
		attrs: map[string]bool{"name": false, "model_id": false, "model_type": false, "status": false, "source_run_id": false,
			"experiment_id": false, "creation_timestamp": true, "last_updated_timestamp": true},
		alias: map[string]string{"creation_time": "creation_timestamp", "creation_timestamp_ms": "creation_timestamp",
			"last_updated_time": "last_updated_timestamp", "last_updated_timestamp_ms": "last_updated_timestamp"},
		subjects: []cairn.TrackSubject{cairn.OfMetric, cairn.OfParam, cairn.OfTag, cairn.OfAttribute},
	}
)

// entities are the words that may stand before the dot.
var entities = map[string]cairn.TrackSubject{
	"metric": cairn.OfMetric, "metrics": cairn.OfMetric,
	"param": cairn.OfParam, "params": cairn.OfParam, "parameter": cairn.OfParam, "parameters": cairn.OfParam,
	"tag": cairn.OfTag, "tags": cairn.OfTag,
	"attribute": cairn.OfAttribute, "attributes": cairn.OfAttribute, "attr": cairn.OfAttribute, "run": cairn.OfAttribute,
	"dataset": cairn.OfDataset, "datasets": cairn.OfDataset,
}

var datasetKeys = []string{"name", "digest", "context"}
