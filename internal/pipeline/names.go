package pipeline

import (
	"net/url"
	"regexp"
	"strings"
	"time"
)

// The patterns of names and references, as the original has them.
var (
	componentName     = regexp.MustCompile(`^[a-z][a-z\d_]*$`)
	nodeName          = regexp.MustCompile(`^[a-z_][a-z\d_]*$`)
	portName          = regexp.MustCompile(`^[a-zA-Z_]\w*(\.[a-zA-Z_]\w*)*$`)
	assetName         = regexp.MustCompile(`^[A-Za-z0-9\-_]{1,255}$`)
	armVersioned      = regexp.MustCompile(`(?i)^/?subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.MachineLearningServices/workspaces/([^/]+)/([^/]+)/([^/]+)/versions/([^/]+)`)
	registryVersioned = regexp.MustCompile(`^azureml://registries/([^/]+)/([^/]+)/([^/]+)/versions/([^/]+)`)
	anyBinding        = regexp.MustCompile(`\$\{\{\s*(\S*?)\s*\}\}`)
	oneBinding        = regexp.MustCompile(`^\$\{\{\s*(\S*?)\s*\}\}$`)
	outputBinding     = regexp.MustCompile(`^\$\{\{parent\.outputs\.(.*?)\}\}$`)
	urlPattern        = regexp.MustCompile(`(?i)^(?:https?|ftps?)://(?:[^/?#@]*@)?(?:(?:[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,63}|[a-z0-9-]{2,}))\.?(?::\d+)?(?:[/?#]\S*)?$`)
)

// hasBinding reports whether a text holds ${{ }} somewhere, isBinding whether it is
// nothing else.
func hasBinding(s string) bool { return anyBinding.MatchString(s) }
func isBinding(s string) bool  { return oneBinding.MatchString(s) }

// isURL is marshmallow's Url: a scheme of the web and a host with a dot.
func isURL(s string) bool {
	if !strings.Contains(s, "://") {
		return false
	}
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && urlPattern.MatchString(s)
}

// isoTime reports whether a text is a time as marshmallow reads it.
func isoTime(s string) bool {
	for _, layout := range []string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05",
		"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999",
		"2006-01-02T15:04:05-0700", "2006-01-02T15:04:05-07"} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}
