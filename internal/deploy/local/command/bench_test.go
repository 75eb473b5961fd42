package command_test

import (
	"testing"

	"github.com/cairn-ml/cairn/internal/deploy/local/command"
)

func BenchmarkRewrite(b *testing.B) {
	b.ReportAllocs()
	cmd := sh("alembic upgrade head && exec uvicorn main:app --host 0.0.0.0 --port ${PORT:-80} --workers 2")
	for b.Loop() {
		command.Rewrite(nil, cmd, here)
	}
}
