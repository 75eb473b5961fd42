package track

import (
	"encoding/json"
	"fmt"
	"math"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/cairn-ml/cairn"
)

// Limits of what clients may send, MLflow's own.
const (
	MaxKey             = 250
	MaxParamValue      = 6000
	MaxTagValue        = 8000
	MaxExperimentName  = 500
	MaxExperimentTag   = 20000
	MaxModelTag        = 100_000
	MaxAlias           = 255
	MaxBatchMetrics    = 1000
	MaxBatchParams     = 100
	MaxBatchTags       = 100
	MaxBatch           = 1000
	MaxDatasets        = 1000
	MaxDatasetName     = 500
	MaxDatasetDigest   = 36
	MaxDatasetSchema   = 1<<20 - 1
	MaxDatasetSource   = 1<<16 - 1
	MaxDatasetProfile  = 1<<24 - 1
	MaxInputTagKey     = 255
	MaxInputTagValue   = 500
	MaxSearch          = 50_000
	MaxRegisteredPage  = 1000
	MaxVersionPage     = 200_000
	maxStoredMagnitude = math.MaxFloat64
)

func invalid(format string, args ...any) error {
	return cairn.Errorf(cairn.CodeInvalid, format, args...)
}

// quoteValue writes a value as MLflow's messages do: as JSON.
func quoteValue(v any) string {
	if s, ok := v.(string); ok && len(s) > 500 {
		v = s[:500] + "…"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// InvalidValue says that a parameter has a value that is not allowed.
func InvalidValue(param string, v any, why string) error {
	return invalid("Invalid value %s for parameter '%s' supplied: %s", quoteValue(v), param, why)
}

// Missing says that a required parameter is not there.
func Missing(param string) error {
	return invalid("Missing value for required parameter '%s'.", param)
}

func tooLong(what string, limit int) error {
	return invalid("'%s' exceeds the maximum length of %d characters", what, limit)
}

// checkKey checks the name of a param, metric or tag, which may become a path.
func checkKey(key, at string) error {
	if key == "" {
		return InvalidValue(at, key, "A key name must be provided.")
	}
	if !utf8.ValidString(key) || strings.IndexFunc(key, badInKey) >= 0 {
		return InvalidValue(at, key, "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).")
	}
	if norm := path.Clean(key); norm != key || norm == "." || strings.HasPrefix(norm, "..") || strings.HasPrefix(norm, "/") {
		return InvalidValue(at, key, fmt.Sprintf("Names may be treated as files in certain cases, and must not resolve to other names"+
			" when treated as such. This name would resolve to '%s'", norm))
	}
	if utf8.RuneCountInString(key) > MaxKey {
		return tooLong(at, MaxKey)
	}
	return nil
}

func checkMetric(m *cairn.Metric, at string) error {
	if err := checkKey(m.Key, at+"name"); err != nil {
		return err
	}
	if m.Timestamp < 0 {
		return InvalidValue(at+"timestamp", m.Timestamp,
			fmt.Sprintf("metric '%s' (value=%v). Timestamp must be a nonnegative long (64-bit integer) ", m.Key, m.Value))
	}
	switch {
	case math.IsNaN(m.Value):
		m.Value, m.NaN = 0, true
	case math.IsInf(m.Value, 1):
		m.Value = maxStoredMagnitude
	case math.IsInf(m.Value, -1):
		m.Value = -maxStoredMagnitude
	case m.Value == 0:
		m.Value = 0 // -0 is 0: the identity of a point must not know two
	}
	return nil
}

// cut shortens s to n characters, as MLflow does with long params and tags.
func cut(s string, n int) string {
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

func checkParams(params []cairn.Param) ([]cairn.Param, error) {
	out := make([]cairn.Param, len(params))
	seen := make(map[string]bool, len(params))
	for i, p := range params {
		if err := checkKey(p.Key, fmt.Sprintf("params[%d].key", i)); err != nil {
			return nil, err
		}
		if seen[p.Key] {
			return nil, invalid("Duplicate parameter keys have been submitted: ['%s']. Please ensure "+
				"the request contains only one param value per param key.", p.Key)
		}
		seen[p.Key] = true
		out[i] = cairn.Param{Key: p.Key, Value: cut(p.Value, MaxParamValue)}
	}
	return out, nil
}

func checkTags(tags []cairn.Param) ([]cairn.Param, error) {
	out := make([]cairn.Param, len(tags))
	for i, t := range tags {
		if err := checkKey(t.Key, fmt.Sprintf("tags[%d].key", i)); err != nil {
			return nil, err
		}
		out[i] = cairn.Param{Key: t.Key, Value: cut(t.Value, MaxTagValue)}
	}
	return out, nil
}

func checkBatch(metrics, params, tags int) error {
	for _, l := range []struct {
		what string
		max  int
		n    int
	}{
		{"metrics", MaxBatchMetrics, metrics}, {"params", MaxBatchParams, params}, {"tags", MaxBatchTags, tags},
		{"metrics, params, and tags", MaxBatch, metrics + params + tags},
	} {
		if l.n > l.max {
			return invalid("A batch logging request can contain at most %d %s. Got %d %s. Please split up %s across multiple"+
				" requests and try again.", l.max, l.what, l.n, l.what, l.what)
		}
	}
	return nil
}

func checkRunID(id string) error {
	ok := id != "" && len(id) <= 256 && isAlnum(rune(id[0]))
	for _, c := range id {
		ok = ok && (isAlnum(c) || c == '_' || c == '-')
	}
	if !ok {
		return invalid("Invalid value %s for parameter 'run_id' supplied.", quoteValue(id))
	}
	return nil
}

func checkExperimentName(name string) error {
	if strings.TrimSpace(name) == "" || !utf8.ValidString(name) {
		return invalid("Invalid experiment name: '%s'", name)
	}
	if utf8.RuneCountInString(name) > MaxExperimentName {
		return tooLong("name", MaxExperimentName)
	}
	return nil
}

func checkModelName(name string) error {
	if strings.TrimSpace(name) == "" {
		return Missing("name")
	}
	if strings.ContainsAny(name, "/:") || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return invalid("Invalid model name '%s'. Names cannot contain '/' or ':'.", name)
	}
	if utf8.RuneCountInString(name) > 256 {
		return tooLong("name", 256)
	}
	return nil
}

func checkAlias(alias string) error {
	bad := func(why string) error { return invalid("Invalid alias name: '%s'. %s", alias, why) }
	if alias == "" {
		return invalid("Registered model alias name cannot be empty.")
	}
	if len(alias) > MaxAlias {
		return tooLong("Registered model alias name", MaxAlias)
	}
	for _, c := range alias {
		if !isAlnum(c) && c != '_' && c != '-' {
			return bad("Names may only contain alphanumerics, underscores (_), and dashes (-).")
		}
	}
	if strings.EqualFold(alias, "latest") {
		return invalid("'latest' alias name (case insensitive) is reserved.")
	}
	if (alias[0] == 'v' || alias[0] == 'V') && len(alias) > 1 && strings.Trim(alias[1:], "0123456789") == "" {
		return invalid("Version alias name '%s' is reserved.", alias)
	}
	return nil
}

func checkModelTag(key, value string) error {
	if err := checkKey(key, "key"); err != nil {
		return err
	}
	if utf8.RuneCountInString(value) > MaxModelTag {
		return tooLong("value", MaxModelTag)
	}
	return nil
}

func checkDatasets(ds []cairn.DatasetInput) error {
	if len(ds) > MaxDatasets {
		return invalid("A batch logging request can contain at most %d datasets. Got %d datasets.", MaxDatasets, len(ds))
	}
	for i, d := range ds {
		for _, f := range []struct {
			name, value string
			required    bool
			max         int
		}{
			{"name", d.Dataset.Name, true, MaxDatasetName}, {"digest", d.Dataset.Digest, true, MaxDatasetDigest},
			{"source_type", d.Dataset.SourceType, true, MaxDatasetName}, {"source", d.Dataset.Source, true, MaxDatasetSource},
			{"schema", d.Dataset.Schema, false, MaxDatasetSchema}, {"profile", d.Dataset.Profile, false, MaxDatasetProfile},
		} {
			at := fmt.Sprintf("datasets[%d].dataset.%s", i, f.name)
			if f.required && f.value == "" {
				return Missing(at)
			}
			if len(f.value) > f.max {
				return tooLong(at, f.max)
			}
		}
		for k, v := range d.Tags {
			if k == "" || len(k) > MaxInputTagKey {
				return tooLong("input tag key", MaxInputTagKey)
			}
			if len(v) > MaxInputTagValue {
				return tooLong("input tag value", MaxInputTagValue)
			}
		}
	}
	return nil
}

func isAlnum(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}
