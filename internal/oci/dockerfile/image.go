package dockerfile

import (
	"maps"
	"slices"
)

// emptyImage is what FROM scratch begins with.
func emptyImage(platform string) Image {
	var i Image
	i.OS, i.Architecture, i.Variant = splitPlatform(platform)
	i.RootFS.Type = "layers"
	i.Config.WorkingDir = "/"
	return i
}

// cloneImage copies what evaluation writes into.
func cloneImage(src Image) Image {
	i := src
	c := &i.Config
	c.Env = slices.Clone(c.Env)
	c.Cmd = slices.Clone(c.Cmd)
	c.Entrypoint = slices.Clone(c.Entrypoint)
	c.OnBuild = slices.Clone(c.OnBuild)
	c.ExposedPorts = maps.Clone(c.ExposedPorts)
	c.Volumes = maps.Clone(c.Volumes)
	c.Labels = maps.Clone(c.Labels)
	c.Shell = slices.Clone(c.Shell)
	if h := c.Healthcheck; h != nil {
		hc := *h
		hc.Test = slices.Clone(h.Test)
		c.Healthcheck = &hc
	}
	i.RootFS.DiffIDs = slices.Clone(i.RootFS.DiffIDs)
	i.History = slices.Clone(i.History)
	return i
}
