package asset

import (
	"regexp"
	"strings"

	"github.com/cairn-ml/cairn"
)

// The full addresses of Azure Machine Learning that name an asset: of a workspace (with
// any subscription and group: there is one workspace here) and of a registry.
var (
	armPattern      = regexp.MustCompile(`(?i)^(?:azureml:/)?/?subscriptions/[^/]+/resourcegroups/[^/]+/providers/Microsoft\.MachineLearningServices/workspaces/[^/]+/([a-z]+)/([^/]+)/versions/([^/]+)$`)
	longPattern     = regexp.MustCompile(`(?i)^azureml://subscriptions/[^/]+/resourcegroups/[^/]+/(?:providers/Microsoft\.MachineLearningServices/)?workspaces/[^/]+/([a-z]+)/([^/]+)/(versions|labels)/([^/]+)$`)
	locationPattern = regexp.MustCompile(`(?i)^azureml://locations/[^/]+/workspaces/[^/]+/([a-z]+)/([^/]+)/(versions|labels)/([^/]+)$`)
	registryPattern = regexp.MustCompile(`(?i)^azureml://(?:registries|feeds)/([^/]+)/([a-z]+)/([^/]+)/(versions|labels)/([^/]+)$`)
)

// fullAddress turns a full address into "kind/name:version". ok is false for what is
// none; one that names something else than an asset is an error.
func fullAddress(s string) (short string, ok bool, err error) {
	if !strings.HasPrefix(strings.ToLower(s), "azureml:/") && !strings.HasPrefix(strings.ToLower(s), "/subscriptions/") {
		return "", false, nil
	}
	plural, name, mark, version := "", "", ":", ""
	if m := armPattern.FindStringSubmatch(s); m != nil {
		plural, name, version = m[1], m[2], m[3]
	} else if m := longPattern.FindStringSubmatch(s); m != nil {
		plural, name, mark, version = m[1], m[2], markOf(m[3]), m[4]
	} else if m := locationPattern.FindStringSubmatch(s); m != nil {
		plural, name, mark, version = m[1], m[2], markOf(m[3]), m[4]
	} else if m := registryPattern.FindStringSubmatch(s); m != nil {
		plural, name, mark, version = m[2], m[1]+"/"+m[3], markOf(m[4]), m[5]
	}
	kind := map[string]cairn.AssetKind{
		"data": cairn.AssetData, "models": cairn.AssetModel, "environments": cairn.AssetEnvironment,
		"components": cairn.AssetComponent, "codes": cairn.AssetCode,
	}[strings.ToLower(plural)]
	if kind == "" {
		return "", false, cairn.Errorf(cairn.CodeInvalid, "%q is not the address of an asset", clip(s)).
			WithHint("such as azureml:name:version, azureml://registries/NAME/models/NAME/versions/1 or kind/name:version")
	}
	return string(kind) + "/" + name + mark + version, true, nil
}

func markOf(word string) string {
	if strings.EqualFold(word, "labels") {
		return "@"
	}
	return ":"
}
