package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"time"

	"github.com/google/pprof/profile"
)

// Profiler takes CPU profiles of a service while it is measured. The zero value
// with a URL is ready.
type Profiler struct {
	// URL is that of the service's listener for operators.
	URL string

	taken []*profile.Profile
}

// During measures, and profiles for about the time that it takes.
func (p *Profiler) During(ctx context.Context, takes time.Duration, measure func() error) error {
	taken := make(chan error, 1)
	go func() { taken <- p.take(ctx, takes) }()
	return errors.Join(measure(), <-taken)
}

func (p *Profiler) take(ctx context.Context, takes time.Duration) error {
	url := fmt.Sprintf("%s/debug/pprof/profile?seconds=%d", p.URL, int(math.Ceil(takes.Seconds())))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the service gives no profile: %s", response.Status)
	}
	taken, err := profile.Parse(response.Body)
	if err != nil {
		return err
	}
	p.taken = append(p.taken, taken)
	return nil
}

// Profile returns what was taken as one profile, in the format of pprof. It does
// not tell where the program lay.
func (p *Profiler) Profile() ([]byte, error) {
	all, err := profile.Merge(p.taken)
	if err != nil {
		return nil, err
	}
	for _, m := range all.Mapping {
		if m.File != "" {
			m.File = sheafName
		}
	}
	var out bytes.Buffer
	err = all.Write(&out)
	return out.Bytes(), err
}
