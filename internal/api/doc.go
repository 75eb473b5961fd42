// Package api is Cairn's own HTTP interface: JSON under /api/v1, described by
// the OpenAPI document at /api/v1/openapi.json, and streams of events, logs and
// blobs beside it. Handlers translate; what they need of the rooms below they
// declare here as small interfaces.
package api
