// Package climate reads from the environment where climate and rasters may be read over the network.
package climate

import (
	"log/slog"
	"time"

	"gocloud.dev/blob"

	"github.com/cyverse-gis/eemt/shared/outbound"
	"github.com/cyverse-gis/eemt/shared/sources"
)

// Hosts are those that climate and rasters may be read from.
type Hosts struct {
	// Token is sent to one host: TokenHost, or the first of Names.
	Token     string `env:"EEMT_CLIMATE_TOKEN"`
	TokenHost string `env:"EEMT_CLIMATE_TOKEN_HOST"`
	// Names of hosts may be read. Redirects of theirs may lead to these and to Redirects, of which an entry with a dot before it is all
	// names below.
	Names     []string `env:"EEMT_CLIMATE_HOSTS" envDefault:"data.ornldaac.earthdata.nasa.gov"`
	Redirects []string `env:"EEMT_CLIMATE_REDIRECT_HOSTS" envDefault:".earthdata.nasa.gov,.cloudfront.net,.s3.us-west-2.amazonaws.com"`
}

// Files opens what jobs name, in the bucket and on the hosts; a request takes at most timeout.
func (c Hosts) Files(bucket *blob.Bucket, timeout time.Duration, log *slog.Logger) sources.Files {
	if outbound.Proxied() {
		log.Info("behind a proxy, which resolves names: climate is read from hosts on the list, wherever their names lead")
	}
	hosts := outbound.Hosts(c.Names)
	return sources.Files{Bucket: bucket, Client: hosts.Client(timeout, c.Redirects...), Token: c.Token, TokenHost: c.TokenHost, Hosts: hosts}
}
