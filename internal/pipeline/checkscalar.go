package pipeline

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cairn-ml/cairn"
)

// scalar checks one scalar.
func (c *checker) scalar(v Value, f *field, p place) Value {
	text := v.Kind == cairn.TemplateString && !v.Time
	switch f.T {
	case "String", "DumpableStringField", "ComponentNameStr", "NodeNameStr", "PythonFuncNameStr":
		if !text {
			hint := ""
			if v.Kind == cairn.TemplateNumber || v.Kind == cairn.TemplateBool || v.Time {
				hint = "put it in quotes"
			}
			c.fail(v.Pos, p, v, "pipeline.type", hint, "%s: %s; it has to be text", c.name(p), shown(v))
			return v
		}
		c.named(v, f, p)
	case "VersionField", "NumberVersionField":
		if !text && v.Kind != cairn.TemplateNumber && v.Kind != cairn.TemplateBool {
			c.wrong(v, p, "text or a number")
		}
	case "Integer", "DumpableIntegerField":
		if !wholeNumber(v, f.Strict) {
			c.wrong(v, p, "a whole number")
			return v
		}
	case "Float", "Number", "DumpableFloatField":
		if !anyNumber(v, f) {
			c.wrong(v, p, "a number")
			return v
		}
	case "Boolean":
		b, ok := boolean(v)
		if !ok {
			c.wrong(v, p, "true or false")
			return v
		}
		v.Bool = b
	case "ArmStr":
		if !text || !strings.HasPrefix(v.Text, "azureml:") {
			c.arm(v, f, p)
		}
	case "ArmVersionedStr":
		c.versioned(v, f, p)
	case "RegistryStr":
		if !text || !strings.HasPrefix(v.Text, "azureml://registries/") {
			c.wrong(v, p, c.want(f))
		}
	case "InternalRegistryStr":
		if !text || !strings.HasPrefix(v.Text, "azureml://feeds/") && !strings.HasPrefix(v.Text, "azureml://registries/") {
			c.wrong(v, p, c.want(f))
		}
	case "LocalPathField":
		c.localPath(v, f, p)
	case "SerializeValidatedUrl", "Url":
		if !text || !isURL(v.Text) {
			c.wrong(v, p, c.want(f))
		}
	case "GitStr":
		if !text || !strings.HasPrefix(v.Text, "git+") {
			c.wrong(v, p, c.want(f))
		}
	case "DataBindingStr":
		if !text || !hasBinding(v.Text) {
			c.wrong(v, p, c.want(f))
		}
	case "NodeBindingStr":
		if !text || !isBinding(v.Text) {
			c.wrong(v, p, "a binding such as ${{parent.jobs.NAME}}")
		}
	case "OutputBindingStr":
		if !text || !outputBinding.MatchString(v.Text) {
			c.wrong(v, p, c.want(f))
		}
	case "DateTime", "DateTimeStr":
		if v.Kind != cairn.TemplateString || f.T == "DateTimeStr" && v.Time || f.T == "DateTime" && v.Time || !isoTime(v.Text) {
			if f.T == "DateTime" && v.Time && len(v.Raw) > len("2006-01-02") {
				return v // the YAML reader made a time of it already
			}
			c.wrong(v, p, c.want(f))
		}
	case "CreateJobFileRefField", "ImportDataFileRefField":
		c.file(v, p)
	default:
		if strings.HasSuffix(f.T, "FileRefField") || f.T == "ComponentYamlRefField" {
			c.componentFile(v, f, p)
			return v
		}
		c.fail(v.Pos, p, v, "pipeline.schema", "", "%s: a defect of Cairn: its schema names %q, which it does not know", c.name(p), f.T)
	}
	return c.bounds(v, f, p)
}

// bounds holds a value against patterns and ranges.
func (c *checker) bounds(v Value, f *field, p place) Value {
	if slices.Contains(f.Checks, "validate_arm_str") && !armID.MatchString(v.Text) {
		c.fail(v.Pos, p, v, "pipeline.reference", "", "%s: %s is no long id, /subscriptions/…/resourceGroups/…/providers/…", c.name(p), shown(v))
	}
	if f.Pattern != "" {
		if re := c.l.schemas.re(f.Pattern); re != nil && !re.MatchString(v.Text) {
			c.fail(v.Pos, p, v, "pipeline.value", "", "%s: %s does not have the form %s", c.name(p), shown(v), f.Pattern)
		}
	}
	if len(f.OneOf) > 0 && !slices.Contains(f.OneOf, v.Text) {
		c.fail(v.Pos, p, v, "pipeline.value", didYouMean(v.Text, f.OneOf), "%s: %s; it has to be %s", c.name(p), shown(v), oneOf(f.OneOf))
	}
	if len(f.Range) >= 2 {
		n := v.Num
		if v.Kind == cairn.TemplateString {
			n, _ = strconv.ParseFloat(v.Text, 64) // checked before
		}
		lo, hasLo := f.Range[0].(float64)
		hi, hasHi := f.Range[1].(float64)
		if hasLo && n < lo || hasHi && n > hi {
			c.fail(v.Pos, p, v, "pipeline.range", "", "%s: %s is out of range: %s", c.name(p), v.Raw, rangeText(lo, hasLo, hi, hasHi))
		}
	}
	if len(f.Length) >= 2 {
		n := float64(len(v.Items))
		if v.Kind == cairn.TemplateString {
			n = float64(len([]rune(v.Text)))
		}
		lo, hasLo := f.Length[0].(float64)
		hi, hasHi := f.Length[1].(float64)
		if hasLo && n < lo || hasHi && n > hi {
			c.fail(v.Pos, p, v, "pipeline.length", "", "%s: it has %v characters or items; allowed: %s", c.name(p), n, rangeText(lo, hasLo, hi, hasHi))
		}
	}
	return v
}

func rangeText(lo float64, hasLo bool, hi float64, hasHi bool) string {
	switch {
	case hasLo && hasHi:
		return fmt.Sprintf("%v to %v", lo, hi)
	case hasLo:
		return fmt.Sprintf("%v or more", lo)
	}
	return fmt.Sprintf("%v or less", hi)
}

// wholeNumber is what marshmallow's Integer takes.
func wholeNumber(v Value, strict bool) bool {
	switch v.Kind {
	case cairn.TemplateNumber:
		return v.Int || !strict && !math.IsNaN(v.Num) && !math.IsInf(v.Num, 0)
	case cairn.TemplateString:
		if strict || v.Time {
			return false
		}
		_, ok := pyInt(v.Text)
		return ok
	}
	return false
}

// pyInt reads an integer as Python's int() does.
func pyInt(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "_") || strings.HasSuffix(s, "_") || strings.Contains(s, "__") {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimPrefix(strings.ReplaceAll(s, "_", ""), "+"), 10, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// anyNumber is what marshmallow's Float and Number take.
func anyNumber(v Value, f *field) bool {
	switch v.Kind {
	case cairn.TemplateNumber:
		if f.T == "DumpableFloatField" && f.Strict && v.Int {
			return false
		}
		return f.T == "Number" || !math.IsNaN(v.Num) && !math.IsInf(v.Num, 0)
	case cairn.TemplateString:
		if f.Strict || v.Time {
			return false
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(strings.ReplaceAll(v.Text, "_", "")), 64)
		return err == nil && (f.T == "Number" || !math.IsNaN(n) && !math.IsInf(n, 0))
	}
	return false
}

// boolean is what marshmallow's Boolean takes.
func boolean(v Value) (value, ok bool) {
	switch v.Kind {
	case cairn.TemplateBool:
		return v.Bool, true
	case cairn.TemplateNumber:
		return v.Num == 1, v.Num == 0 || v.Num == 1
	case cairn.TemplateString:
		switch v.Text {
		case "t", "T", "true", "True", "TRUE", "on", "On", "ON", "y", "Y", "yes", "Yes", "YES", "1":
			return true, !v.Time
		case "f", "F", "false", "False", "FALSE", "off", "Off", "OFF", "n", "N", "no", "No", "NO", "0":
			return false, !v.Time
		}
	}
	return false, false
}
