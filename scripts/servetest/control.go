package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
)

// controlStatus is what the process of a stage says of itself.
type controlStatus struct {
	PID  int `json:"pid"`
	Live struct {
		PID     int  `json:"pid"`
		Healthy bool `json:"healthy"`
	} `json:"live"`
}

// stageStatus asks the process of a stage on its socket, as Cairn does.
func stageStatus(socket string) (*controlStatus, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	b, err := getWith(&http.Client{Transport: transport, Timeout: patience}, "http://stage/v1/status")
	if err != nil {
		return nil, err
	}
	var st controlStatus
	return &st, json.Unmarshal(b, &st)
}
