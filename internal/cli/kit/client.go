package kit

import "github.com/cairn-ml/cairn/internal/api/client"

// Client is the way to the owner process.
type Client = client.Client
