package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// azure measures what scripts written for Azure Machine Learning ask most: a job, a list of
// models, the import of the first SDK, and a request through an endpoint.
func (b *bench) azure() error {
	score := "import json\ndef init():\n    pass\ndef run(raw):\n    return {'sum': sum(json.loads(raw)['data'])}\n"
	deployment := "name: %s\nendpoint_name: bench\nmodel: {path: model.txt, name: bench}\ncode_configuration: {code: code, scoring_script: score.py}\n" +
		"environment: {image: \"mcr.microsoft.com/azureml/minimal:latest\"}\ninstance_type: x\ninstance_count: 4\n"
	if err := b.files("azure", map[string]string{
		"job.yml": "type: command\ncommand: \"true\"\nenvironment: {image: \"python:3.11\"}\n", "model.txt": "a model\n",
		"code/score.py": score, "blue.yml": fmt.Sprintf(deployment, "blue"), "green.yml": fmt.Sprintf(deployment, "green"),
	}); err != nil {
		return err
	}
	az := func(args ...string) func() error {
		return func() error {
			_, err := b.run("azure", b.cairn, append([]string{"az", "ml"}, args...)...)
			return err
		}
	}
	for _, line := range []string{"job create --file job.yml --name bench --stream", "online-endpoint create --name bench", "online-deployment create --file blue.yml --all-traffic",
		"online-deployment create --file green.yml", "online-endpoint update --name bench --traffic blue=50,green=50"} {
		if err := az(strings.Fields(line)...)(); err != nil {
			return err
		}
	}
	peer := ""
	if _, err := exec.LookPath("az"); err == nil {
		took, err := median(3, func() error { return b.command("azure", "az", "version").Run() })
		if err == nil {
			peer = ms(took) + " az version"
		}
	}
	for _, line := range []string{"job show --name bench", "model list --name bench"} {
		took, err := median(20, az(strings.Fields(line)...))
		if err != nil {
			return err
		}
		row("az ml "+line, ms(took), peer, "")
	}
	if err := b.importSDK(); err != nil {
		return err
	}
	return b.endpoint()
}

// importSDK is timed inside of the interpreter.
func (b *bench) importSDK() error {
	out, err := b.run("azure", b.cairn, "azure", "sdk", "--dir", filepath.Join(b.dir, "sdk"))
	if err != nil {
		return err
	}
	var all []time.Duration
	for range 9 {
		cmd := b.command("azure", "python3", "-c", "import time; t = time.perf_counter(); import azureml.core; print(time.perf_counter() - t)")
		cmd.Env = append(cmd.Env, "PYTHONPATH="+strings.TrimSpace(string(out)))
		text, err := cmd.Output()
		if err != nil {
			return err
		}
		took, err := time.ParseDuration(strings.TrimSpace(string(text)) + "s")
		if err != nil {
			return err
		}
		all = append(all, took)
	}
	slices.Sort(all)
	row("import azureml.core", ms(all[len(all)/2]), "", "")
	return nil
}

// endpoint is a request through two deployments, beside the same program on its own.
func (b *bench) endpoint() error {
	uri, err := b.run("azure", b.cairn, "az", "ml", "online-endpoint", "show", "--name", "bench", "--query", "scoring_uri", "-o", "tsv")
	if err != nil {
		return err
	}
	key, err := b.run("azure", b.cairn, "az", "ml", "online-endpoint", "get-credentials", "--name", "bench", "--query", "primaryKey", "-o", "tsv")
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	addr := l.Addr().String()
	l.Close()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return err
	}
	server, err := filepath.Abs("internal/cli/az/scoring/server.py")
	if err != nil {
		return err
	}
	bare := b.command("azure", "python3", server)
	bare.Env = append(bare.Env, "PORT="+port, "AZUREML_ENTRY_SCRIPT=code/score.py", "PYTHONDONTWRITEBYTECODE=1")
	bare.Stdout, bare.Stderr = nil, os.Stderr
	if err := bare.Start(); err != nil {
		return err
	}
	defer func() {
		_ = bare.Process.Kill()
		_ = bare.Wait()
	}()
	for range 200 {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	through, err := p50(strings.TrimSpace(string(uri)), strings.TrimSpace(string(key)))
	if err != nil {
		return err
	}
	alone, err := p50("http://"+addr+"/score", "")
	if err != nil {
		return err
	}
	stage, err := b.run("azure", b.cairn, "status", "--jq", `[.stages[].stage | select(.name == "bench.blue")][0].url`)
	if err != nil {
		return err
	}
	logged, err := p50(strings.TrimSpace(stage)+"/score", "")
	if err != nil {
		return err
	}
	row("a request through a stage, logged on disk", us(logged), us(alone)+" bare", us(logged-alone)+" added")
	row("a request through an endpoint, 50/50", us(through), us(alone)+" bare", us(through-alone)+" added; "+us(through-logged)+" by the endpoint")
	return nil
}

func us(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }

// p50 is the median of five hundred requests, one after the other.
func p50(url, key string) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var all []time.Duration
	for range 500 {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader([]byte(`{"data": [1, 2, 3]}`)))
		if err != nil {
			return 0, err
		}
		r.Header.Set("Authorization", "Bearer "+key)
		started := time.Now()
		resp, err := client.Do(r)
		if err != nil {
			return 0, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return 0, err
		}
		if resp.StatusCode != http.StatusOK {
			return 0, fmt.Errorf("%s answered %d: %s", url, resp.StatusCode, body)
		}
		all = append(all, time.Since(started))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}
