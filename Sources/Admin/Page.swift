// Headgate
// SPDX-License-Identifier: Apache-2.0

/// The page at `/`: one file, no script from elsewhere, works without a network.
enum Page {
    static let html = #"""
        <!doctype html>
        <html lang="en">
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>Headgate</title>
        <style>
        :root { color-scheme: light dark; --line: #8884; --dim: #888; --good: #2a9d4a; --warn: #c98a00; --bad: #d33; }
        body { font: 14px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1200px; padding: 1rem; }
        header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; }
        h1 { font-size: 1.3rem; margin: 0; } h2 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
        table { border-collapse: collapse; width: 100%; }
        th, td { text-align: left; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
        th { color: var(--dim); font-weight: normal; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
        .good { color: var(--good); } .warn { color: var(--warn); } .bad { color: var(--bad); } .dim { color: var(--dim); }
        details { border-bottom: 1px solid var(--line); padding: .2rem 0; } summary { cursor: pointer; }
        details table { margin: .3rem 0 .6rem 1rem; width: calc(100% - 1rem); }
        #lost { display: none; background: var(--bad); color: #fff; padding: .4rem .6rem; border-radius: 4px; }
        </style>
        <header><h1>Headgate</h1><span id="gateway"></span><span class="dim" id="meta"></span></header>
        <p id="lost" role="alert">The gateway does not answer. What is shown below is old.</p>
        <section id="alarming" role="status" hidden><h2>Alarms</h2>
        <table><thead><tr><th>alarm<th>device<th>priority<th>since<th></tr></thead><tbody id="alarms"></tbody></table></section>
        <section id="warned" role="status" hidden><h2>Warnings</h2>
        <table><thead><tr><th>warning<th>code<th>subject<th>since<th class="n">count<th>what to do</tr></thead><tbody id="warnings"></tbody></table></section>
        <h2>Links</h2>
        <table><thead><tr><th>link<th>address<th>state<th>since<th>last received</tr></thead><tbody id="links"></tbody></table>
        <h2>Outputs</h2>
        <table><thead><tr><th>output<th>kind<th>state<th class="n">waiting<th class="n">oldest<th class="n">readings acknowledged<th class="n">dead letters</tr></thead><tbody id="outputs"></tbody></table>
        <h2>Outbox</h2><p id="outbox"></p>
        <section id="lossed" hidden><h2>Lost</h2>
        <table><thead><tr><th>for<th class="n">events<th>cause<th>since<th>last</tr></thead><tbody id="losses"></tbody></table></section>
        <h2>Devices</h2><div id="devices"></div>
        <script>
        const el = (tag, text, cls) => { const e = document.createElement(tag); if (text !== undefined) e.textContent = text; if (cls) e.className = cls; return e };
        const number = n => n.toLocaleString('en-US');
        const size = b => b > 1<<30 ? (b/(1<<30)).toFixed(2)+' GiB' : b > 1<<20 ? (b/(1<<20)).toFixed(1)+' MiB' : (b/1024).toFixed(0)+' KiB';
        const age = s => s == null ? '' : s < 90 ? s.toFixed(1)+' s' : s < 5400 ? (s/60).toFixed(0)+' min' : (s/3600).toFixed(1)+' h';
        const tone = { good: 'good', uncertain: 'warn', out_of_range: 'warn', absent: 'dim', bad: 'bad' };
        const urgent = { high: 'bad', medium: 'warn', low: '' };
        const opened = new Set();
        const held = o => o.lanes.flatMap(l => l.held_topics).map(h => `, ${number(h.events)} held for topic ${h.topic}`).join('');
        function row(cells) { const tr = el('tr'); for (const [text, cls] of cells) tr.append(el('td', text, cls)); return tr }
        function show(s) {
          gateway.textContent = s.gateway;
          meta.textContent = `headgate ${s.version}, since ${s.started_at.slice(0, 19).replace('T', ' ')} UTC`;
          alarming.hidden = s.alarms.length == 0;
          alarms.replaceChildren(...s.alarms.map(a => row([[a.rule, urgent[a.priority]], [a.device], [a.priority], [a.since.slice(0, 19).replace('T', ' ')],
            [[a.text, a.confirmed ? '' : 'unconfirmed: no good reading'].filter(t => t).join('; '), a.confirmed ? '' : 'warn']])));
          warned.hidden = s.warnings.length == 0;
          warnings.replaceChildren(...s.warnings.map(w => row([[w.warning, 'warn'], [w.code], [w.subject], [w.since.slice(0, 19).replace('T', ' ')], [number(w.count), 'n'], [w.text + ': ' + w.next]])));
          links.replaceChildren(...s.links.map(l => row([[l.link], [l.address], [l.up == null ? 'starting' : l.up ? 'up' : 'down: ' + (l.reason ?? ''), l.up == null ? 'dim' : l.up ? 'good' : 'bad'],
            [(l.since ?? '').slice(0, 19).replace('T', ' ')], [(l.last_received ?? '').slice(0, 19).replace('T', ' ')]])));
          outputs.replaceChildren(...s.outputs.map(o => row([[o.output], [o.kind], [o.up ? 'up' + held(o) : 'down: ' + (o.last_error ?? ''), o.up ? held(o) ? 'warn' : 'good' : 'bad'],
            [number(o.lanes.reduce((n, l) => n + l.waiting_events, 0)), 'n'], [age(Math.max(0, ...o.lanes.map(l => l.oldest_age_seconds ?? 0)) || null), 'n'],
            [number(o.acknowledged_readings), 'n'], [number(o.dead_letters), 'n' + (o.dead_letters ? ' bad' : '')]])));
          outbox.textContent = `${size(s.outbox.bytes)} of ${size(s.outbox.max_bytes)}${s.outbox.healthy ? '' : ', ' + s.outbox.trouble}; readings received ${number(s.totals.received)}, filtered ${number(s.totals.filtered)}, committed ${number(s.totals.committed)}`;
          lossed.hidden = s.outbox.losses.length == 0;
          losses.replaceChildren(...s.outbox.losses.map(l => row([[l.output], [l.events ? number(l.events) : 'unknown', 'n bad'], [l.cause], [l.since.slice(0, 19).replace('T', ' ')], [l.last.slice(0, 19).replace('T', ' ')]])));
          devices.replaceChildren(...s.devices.map(d => {
            const box = el('details'); box.open = opened.has(d.device);
            box.ontoggle = () => box.open ? opened.add(d.device) : opened.delete(d.device);
            const head = el('summary'); head.append(el('b', d.device), ' ', el('span', d.state, d.state == 'online' ? 'good' : d.state == 'offline' || d.state == 'refusing' ? 'bad' : 'dim'), ' ', el('span', d.link ? `${d.map} on ${d.link}` : d.map, 'dim'));
            const wrong = d.points.filter(p => p.quality != 'good').length; if (wrong) head.append(' ', el('span', `${wrong} not good`, 'warn'));
            if (d.never_read.length) head.append(' ', el('span', `never read: ${d.never_read.join(', ')}`, 'warn'));
            if (d.failed_polls) head.append(' ', el('span', `${number(d.failed_polls)} of ${number(d.polls)} polls failed`, 'dim'));
            const table = el('table'); const body = el('tbody');
            for (const p of d.points) body.append(row([[p.point], [p.value ?? '', 'n'], [p.unit], [p.quality + (p.reason ? ', ' + p.reason : ''), tone[p.quality]], [p.time.slice(11, 19), 'dim']]));
            table.append(body); box.append(head, table); return box }));
        }
        async function turn() {
          try { const r = await fetch('api/status', { signal: AbortSignal.timeout(4000) }); if (!r.ok) throw 0; show(await r.json()); lost.style.display = 'none' }
          catch { lost.style.display = 'block' }
          setTimeout(turn, 1000);
        }
        turn();
        </script>
        </html>
        """#
}
