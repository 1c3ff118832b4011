package bench

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The measures of a chart, in pixels: one panel an operation, side by side.
const (
	panelWidth, panelHeight = 320, 240
	marginLeft, marginTop   = 56, 44
	marginRight, marginBot  = 12, 40
	ticks                   = 4
)

// Chart draws the rate over the number of connections as SVG: a panel an
// operation, a line a service. The axis of connections is logarithmic.
func (r Report) Chart() []byte {
	panels := panelsOf(r.Rows)
	const key = 24
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="11">`+"\n",
		panelWidth*len(panels), panelHeight+key)
	b.WriteString("<title>Requests a second over the number of connections</title>\n" + `<rect width="100%" height="100%" fill="#fff"/>` + "\n")
	for i, p := range panels {
		p.draw(&b, i*panelWidth)
	}
	for i, line := range lines {
		x := marginLeft + i*120
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="2"/><text x="%d" y="%d">%s</text>`+"\n",
			x, panelHeight+8, x+20, panelHeight+8, line.color, x+26, panelHeight+12, line.name)
	}
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// lines are what a panel shows. The colours differ for the colour-blind too.
var lines = []struct{ name, color string }{{sheafName, "#0072b2"}, {"by hand", "#d55e00"}}

// panel is one operation.
type panel struct {
	operation   string
	connections []int
	// rates are by line, then as connections are; NaN for none.
	rates [2][]float64
}

func panelsOf(rows []Row) []*panel {
	var panels []*panel
	for _, row := range rows {
		if row.Base != nil {
			continue
		}
		if len(panels) == 0 || panels[len(panels)-1].operation != row.Operation {
			panels = append(panels, &panel{operation: row.Operation})
		}
		p, other := panels[len(panels)-1], math.NaN()
		if row.Other != nil {
			other = row.Other.Rate
		}
		p.connections = append(p.connections, row.Connections)
		p.rates[0], p.rates[1] = append(p.rates[0], row.Sheaf.Rate), append(p.rates[1], other)
	}
	return panels
}

func (p *panel) draw(b *strings.Builder, left int) {
	top := p.top()
	fmt.Fprintf(b, `<g transform="translate(%d 0)"><text x="%d" y="22" font-size="13" font-weight="bold">%s</text>`+"\n", left, marginLeft, html.EscapeString(p.operation))
	for i := range ticks + 1 {
		value := top * float64(i) / ticks
		y := p.y(value, top)
		fmt.Fprintf(b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
			marginLeft, y, panelWidth-marginRight, y, marginLeft-6, y+4, thousands(value))
	}
	for _, n := range p.connections {
		fmt.Fprintf(b, `<text x="%.1f" y="%d" text-anchor="middle">%d</text>`+"\n", p.x(n), panelHeight-marginBot+16, n)
	}
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" fill="#555">connections</text>`+"\n", (marginLeft+panelWidth-marginRight)/2, panelHeight-8)
	for i, line := range lines {
		p.line(b, p.rates[i], line.color, top)
	}
	b.WriteString("</g>\n")
}

func (p *panel) line(b *strings.Builder, rates []float64, color string, top float64) {
	var points []string
	for i, n := range p.connections {
		if !math.IsNaN(rates[i]) {
			points = append(points, fmt.Sprintf("%.1f,%.1f", p.x(n), p.y(rates[i], top)))
		}
	}
	fmt.Fprintf(b, `<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>`+"\n", color, strings.Join(points, " "))
}

func (p *panel) x(connections int) float64 {
	last := math.Log2(float64(p.connections[len(p.connections)-1]) + 1)
	return marginLeft + (panelWidth-marginLeft-marginRight-8)*math.Log2(float64(connections))/max(last, 1)
}

func (p *panel) y(value, top float64) float64 {
	return panelHeight - marginBot - (panelHeight-marginTop-marginBot)*value/top
}

// top is the first round number that no rate is above.
func (p *panel) top() float64 {
	highest := 1.0
	for _, rates := range p.rates {
		for _, rate := range rates {
			if rate > highest {
				highest = rate
			}
		}
	}
	step := math.Pow(10, math.Floor(math.Log10(highest)))
	for _, factor := range []float64{1, 2, 4, 6, 8} {
		if step*factor >= highest {
			return step * factor
		}
	}
	return step * 10
}

func thousands(value float64) string {
	if value >= 1000 {
		return fmt.Sprintf("%gk", math.Round(value/100)/10)
	}
	return fmt.Sprintf("%g", value)
}
