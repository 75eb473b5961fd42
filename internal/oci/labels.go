package oci

import (
	"maps"
	"slices"
	"strings"

	"github.com/cairn-ml/cairn"
)

// Bounds of what a row and its event repeat of the labels and annotations that an
// image has: all of them are in its manifest and configuration, which may be large.
const (
	maxLabels = 64 << 10 // bytes of all
	maxLabel  = 4 << 10  // of one
)

// addLabels takes labels into a row, in their order as long as there is room.
func addLabels(img *cairn.Image, labels map[string]string) {
	used := 0
	for k, v := range img.Labels {
		used += len(k) + len(v)
	}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		v := labels[k]
		if len(v) > maxLabel {
			v = strings.ToValidUTF8(v[:maxLabel], "") + "…"
		}
		if used += len(k) + len(v); used > maxLabels {
			return
		}
		img.Labels[k] = v
	}
}
