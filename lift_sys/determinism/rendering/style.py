"""The page's style: readable from 320 pixels on, light and dark, on paper, and without colour."""

_LIGHT = """
--page:#f6f7f9;--card:#ffffff;--ink:#1b1f24;--soft:#57606a;--line:#d5dae0;--track:#e8ebef;
--link:#0b57d0;--bad:#a8201a;--bad-bg:#fdecea;--ok:#14652f;--ok-bg:#e6f4ea;--warn:#7a4d00;
--warn-bg:#fff3d6;--bar:#4a6fa5;--del:#ffd3ce;--ins:#c8edd2;--all:#e6f4ea;--most:#fdf6d8;
--many:#ffe3ae;--half:#ffc59c;--few:#f6a49b;--cell:#1b1f24;
"""
_DARK = """
--page:#0e1116;--card:#161b22;--ink:#e6edf3;--soft:#9aa5b1;--line:#30363d;--track:#262c34;
--link:#8ab4f8;--bad:#ff9a91;--bad-bg:#3a1715;--ok:#7ee2a0;--ok-bg:#10301c;--warn:#f2c661;
--warn-bg:#33270a;--bar:#7aa2d9;--del:#6b2420;--ins:#1d4d2d;--all:#12331f;--most:#3a3410;
--many:#50390f;--half:#633713;--few:#762a24;--cell:#f5f7fa;
"""

STYLE = f"""
:root{{color-scheme:light dark;{_LIGHT}}}
@media (prefers-color-scheme:dark){{:root{{{_DARK}}}}}
@media print{{:root{{color-scheme:light;{_LIGHT}}}}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}}
main{{max-width:1180px;margin:0 auto;padding:24px 16px 48px}}
h1{{font-size:26px;line-height:1.25;margin:2px 0 12px;overflow-wrap:anywhere}}
h2{{font-size:18px;margin:0 0 12px}}
h3{{font-size:15px;margin:18px 0 6px;overflow-wrap:anywhere}}
p{{margin:6px 0;overflow-wrap:anywhere}}
ul,ol{{margin:6px 0;padding-left:22px}}
li{{margin:3px 0;overflow-wrap:anywhere}}
a{{color:var(--link)}}
code,pre{{font:13px/1.45 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}}
code{{overflow-wrap:anywhere}}
section,header{{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:20px;margin-bottom:16px}}
header.bad{{border-top:5px solid var(--bad)}}
header.ok{{border-top:5px solid var(--ok)}}
header.warn{{border-top:5px solid var(--warn)}}
.eyebrow,.muted,small,caption,.legend{{color:var(--soft)}}
.eyebrow{{margin:0;font-size:13px}}
.badges{{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 10px}}
.badge{{padding:4px 12px;border-radius:999px;font-weight:650;border:1px solid currentColor}}
.badge.bad,.tile.bad b,.chip.bad{{color:var(--bad)}}
.badge.ok,.tile.ok b{{color:var(--ok)}}
.badge.warn,.tile.warn b{{color:var(--warn)}}
.badge.bad{{background:var(--bad-bg)}}
.badge.ok{{background:var(--ok-bg)}}
.badge.warn{{background:var(--warn-bg)}}
.badge.plain{{font-weight:500;color:var(--ink);border-color:var(--line)}}
.tiles{{display:grid;grid-template-columns:repeat(auto-fit,minmax(210px,1fr));gap:12px;margin:16px 0 0}}
.tile{{border:1px solid var(--line);border-radius:10px;padding:12px 14px}}
.tile h3{{margin:0;font-size:12px;font-weight:600;color:var(--soft)}}
.tile b{{display:block;font-size:16px;margin:2px 0 4px}}
.tile p{{font-size:13px;color:var(--soft);margin:0}}
nav{{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 4px 16px;font-size:14px}}
.callout{{background:var(--bad-bg);border-left:4px solid var(--bad);border-radius:8px;
padding:12px 14px;margin:16px 0 0}}
.callout h3{{margin:0 0 4px}}
.callout>pre{{margin:6px 0;white-space:pre-wrap;overflow-wrap:anywhere}}
.line-to-run{{background:var(--page);border:1px solid var(--line);border-radius:8px;padding:10px 12px;
margin:6px 0 0;white-space:pre-wrap;overflow-wrap:anywhere;user-select:all}}
.scroll{{overflow-x:auto;max-width:100%;border-radius:8px}}
.scroll:focus-visible,a:focus-visible,summary:focus-visible{{outline:2px solid var(--link);outline-offset:2px}}
table{{border-collapse:collapse;font-size:14px}}
caption{{text-align:left;font-size:13px;padding:0 0 6px}}
th{{text-align:left;font-weight:600}}
td,th{{padding:6px 10px;vertical-align:top}}
thead th{{color:var(--soft);font-size:13px;border-bottom:1px solid var(--line);vertical-align:bottom}}
table.list{{width:100%}}
table.list td,table.list tbody th{{border-bottom:1px solid var(--line)}}
.address{{font:12px ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace;color:var(--soft)}}
th.depth-1{{padding-left:26px}}
th.depth-2{{padding-left:42px}}
th.depth-3{{padding-left:58px}}
th.depth-4{{padding-left:74px}}
.chip{{font-size:12px;font-weight:600;white-space:nowrap;color:var(--soft)}}
.heat{{border-collapse:separate;border-spacing:2px}}
.heat td{{text-align:center;border-radius:5px;white-space:nowrap;font-variant-numeric:tabular-nums}}
.heat td small{{color:inherit;opacity:.85}}
.heat tbody th{{position:sticky;left:0;background:var(--card);font-weight:500;white-space:nowrap}}
.heat tr.differs th{{font-weight:700;color:var(--bad)}}
.heat thead th{{text-align:center;border:0}}
.heat thead code{{white-space:nowrap}}
.heat thead th:first-child{{text-align:left;position:sticky;left:0;background:var(--card)}}
.heat-all{{background:var(--all);color:var(--cell)}}
.heat-most{{background:var(--most);color:var(--cell)}}
.heat-many{{background:var(--many);color:var(--cell)}}
.heat-half{{background:var(--half);color:var(--cell)}}
.heat-few{{background:var(--few);color:var(--cell)}}
.legend{{font-size:13px;display:flex;flex-wrap:wrap;gap:6px;align-items:center}}
.key{{padding:1px 8px;border-radius:5px}}
svg.graph{{display:block;max-width:none;margin:0 auto}}
svg text{{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;fill:var(--soft)}}
.node rect{{fill:var(--card);stroke:var(--line);stroke-width:1.5}}
.node .name{{font-size:13px;font-weight:600;fill:var(--ink)}}
.node.agrees rect{{stroke:var(--ok);fill:var(--ok-bg)}}
.node.origin rect,.node.join rect{{stroke:var(--bad);stroke-width:3;fill:var(--bad-bg)}}
.node.origin text,.node.join text{{fill:var(--bad)}}
.node.origin text.name,.node.join text.name{{fill:var(--ink)}}
.node.passed rect{{stroke:var(--warn);stroke-dasharray:6 4;fill:var(--warn-bg)}}
.node.absent rect,.node.unseen rect{{stroke-dasharray:2 4}}
.node.first rect{{stroke-width:4}}
.flag{{fill:var(--bad)}}
.marker rect{{fill:var(--track);stroke:none}}
.edge{{fill:none;stroke:var(--soft);stroke-width:1.5}}
.edge.join{{stroke-dasharray:5 4}}
.edge.fork{{stroke-width:2.4}}
.head{{fill:var(--soft)}}
.runs{{width:100%;table-layout:fixed}}
.runs th:first-child{{width:26%}}
.runs td,.runs tbody th{{border-bottom:1px solid var(--line);overflow-wrap:anywhere}}
.runs tbody th{{font-weight:500}}
.runs tr.differs th{{font-weight:700}}
.lane small{{display:block;font-size:12px}}
.track{{fill:var(--track)}}
.bar{{fill:var(--bar)}}
.bar.differs{{fill:var(--bad)}}
.bar.cancelled{{opacity:.45}}
.diff{{border:1px solid var(--line);border-radius:8px;margin:8px 0;overflow:hidden;background:var(--card)}}
.diff .path{{margin:0;padding:6px 12px;border-bottom:1px solid var(--line);font-size:13px;color:var(--soft)}}
.diff .path code{{color:var(--ink);font-weight:600}}
.diff .line{{display:grid;grid-template-columns:92px 1fr}}
.diff .sign{{padding:6px 12px;font-size:12px;color:var(--soft);white-space:nowrap}}
.diff pre{{margin:0;padding:6px 12px 6px 0;white-space:pre-wrap;overflow-wrap:anywhere}}
.diff del{{background:var(--del);text-decoration-thickness:1px;border-radius:3px;padding:0 1px}}
.diff ins{{background:var(--ins);text-decoration-thickness:1px;text-underline-offset:3px;border-radius:3px;padding:0 1px}}
.facts{{display:grid;grid-template-columns:minmax(120px,220px) 1fr;gap:4px 16px;margin:0}}
.facts dt{{color:var(--soft)}}
.facts dd{{margin:0;overflow-wrap:anywhere}}
.strip{{display:flex;flex-wrap:wrap;gap:3px;margin:8px 0;padding:0;list-style:none}}
.strip li{{margin:0;min-width:24px;padding:1px 4px;text-align:center;border-radius:4px;font-size:12px;
border:1px solid var(--line);background:var(--all);color:var(--cell)}}
.strip li.other{{background:var(--few)}}
.share{{width:100%;min-width:120px;max-width:260px;height:16px;display:block}}
.share .range{{stroke:var(--ink);stroke-width:1.5}}
@media (max-width:640px){{
main{{padding:12px 8px 32px}}
section,header{{padding:14px;border-radius:10px}}
h1{{font-size:21px}}
.runs thead{{position:absolute;left:-9999px}}
.runs tr{{display:grid;grid-template-columns:1fr 1fr;border-bottom:1px solid var(--line);padding:4px 0}}
.runs.single tr{{grid-template-columns:1fr}}
.runs tbody th{{grid-column:1/-1;width:auto!important}}
.runs td,.runs tbody th{{border:0;padding:3px 4px}}
.heat tbody th{{white-space:normal;overflow-wrap:anywhere;min-width:112px;max-width:140px}}
table.list{{min-width:600px}}
.diff .line{{grid-template-columns:1fr}}
.diff .line.ins{{border-top:1px dashed var(--line)}}
.diff .sign{{padding-bottom:0}}
.diff pre{{padding-left:12px}}
.facts{{grid-template-columns:1fr;gap:0}}
.facts dd{{margin-bottom:8px}}
}}
@media print{{section,header{{break-inside:avoid}}nav{{display:none}}}}
"""
