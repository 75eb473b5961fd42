package server

import (
	"strconv"
	"strings"
	"time"

	"github.com/cairn-ml/cairn"
	"github.com/cairn-ml/cairn/internal/asset"
	"github.com/cairn-ml/cairn/internal/cache"
	"go.yaml.in/yaml/v3"
)

// ArtifactConfig says how long artifacts are kept.
type ArtifactConfig struct {
	ArtifactRules `yaml:",inline"`
	// Repositories are rules of single repositories, by owner/name; what one leaves
	// open is as for all.
	Repositories map[string]ArtifactRules `yaml:"repositories"`
}

// ArtifactRules are those of one repository or of all.
type ArtifactRules struct {
	// RetentionDays is how long an artifact is kept whose step does not say; 0: 90.
	RetentionDays float64 `yaml:"retention_days"`
	// MaxRetentionDays bounds what steps may say; 0: 90, or RetentionDays if that is more.
	MaxRetentionDays float64 `yaml:"max_retention_days"`
}

// CacheConfig says how much caches may keep and how long.
type CacheConfig struct {
	CacheRules `yaml:",inline"`
	// Repositories are rules of single repositories, by owner/name.
	Repositories map[string]CacheRules `yaml:"repositories"`
}

// CacheRules are those of one repository or of all.
type CacheRules struct {
	// MaxSize is what a repository keeps; 0: 10 GiB.
	MaxSize Bytes `yaml:"max_size"`
	// MaxAgeDays is how long a cache is kept that nobody asks for; 0: 7.
	MaxAgeDays float64 `yaml:"max_age_days"`
}

// Bytes is a size in a configuration: a number, or one with a unit (10GB, 500MiB).
type Bytes int64

// UnmarshalYAML reads it.
func (b *Bytes) UnmarshalYAML(n *yaml.Node) error {
	text := strings.TrimSpace(n.Value)
	units := []struct {
		name string
		size float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(x >= 0) || x*u.size > 1<<60 {
			break
		}
		*b = Bytes(x * u.size)
		return nil
	}
	return cairn.Errorf(cairn.CodeInvalid, "line %d: %q is not a size", n.Line, text).WithHint("write a number of bytes, or one with KiB, MiB, GiB, TiB, KB, MB, GB or TB")
}

// maxDays bounds what a configuration may say.
const maxDays = 36500

func (c *Config) checkResults(path string) error {
	check := func(where string, days float64) error {
		if !(days >= 0) || days > maxDays {
			return cairn.Errorf(cairn.CodeInvalid, "%s: %s is %g; it may be 0 to %d", path, where, days, maxDays)
		}
		return nil
	}
	artifacts := func(where string, r ArtifactRules) error {
		if err := check(where+".retention_days", r.RetentionDays); err != nil {
			return err
		}
		return check(where+".max_retention_days", r.MaxRetentionDays)
	}
	if err := artifacts("artifacts", c.Artifacts.ArtifactRules); err != nil {
		return err
	}
	for name, r := range c.Artifacts.Repositories {
		if err := artifacts("artifacts.repositories."+name, r); err != nil {
			return err
		}
	}
	if err := check("caches.max_age_days", c.Caches.MaxAgeDays); err != nil {
		return err
	}
	for name, r := range c.Caches.Repositories {
		if err := check("caches.repositories."+name+".max_age_days", r.MaxAgeDays); err != nil {
			return err
		}
	}
	return nil
}

// retention are the rules of a repository.
func (c *Config) retention(repository string) asset.Retention {
	r := c.Artifacts.ArtifactRules
	own := c.Artifacts.Repositories[repository]
	if own.RetentionDays > 0 {
		r.RetentionDays = own.RetentionDays
	}
	if own.MaxRetentionDays > 0 {
		r.MaxRetentionDays = own.MaxRetentionDays
	}
	return asset.Retention{Default: days(r.RetentionDays), Max: days(r.MaxRetentionDays)}
}

// cacheLimits are the rules of a repository.
func (c *Config) cacheLimits(repository string) cache.Limits {
	r := c.Caches.CacheRules
	own := c.Caches.Repositories[repository]
	if own.MaxSize > 0 {
		r.MaxSize = own.MaxSize
	}
	if own.MaxAgeDays > 0 {
		r.MaxAgeDays = own.MaxAgeDays
	}
	return cache.Limits{Size: int64(r.MaxSize), Age: days(r.MaxAgeDays)}
}

// retentionDays is the longest that a repository keeps an artifact, as steps are told.
func (c *Config) retentionDays(repository string) string {
	most := c.retention(repository).Filled().Max
	return strconv.Itoa(int(most / (24 * time.Hour)))
}
