"""An answer neither runs nor loads anything, wherever it is cut."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TRAP = "trap()"
RUNS = [
    f"<script>{TRAP}</script>",
    f'<img src=x onerror="{TRAP}">',
    f'<svg onload="{TRAP}"><foreignObject><body onload="{TRAP}"></foreignObject></svg>',
    f'<svg><a xlink:href="javascript:{TRAP}"><text>x</text></a></svg>',
    f'<iframe srcdoc="<script>parent.{TRAP}</script>"></iframe>',
    f"[link](javascript:{TRAP}) <javascript:{TRAP}> [r]\n\n[r]: javascript:{TRAP}",
    f'<object data="javascript:{TRAP}"></object><embed src="javascript:{TRAP}">',
    f'<form action="javascript:{TRAP}"><button autofocus onfocus="{TRAP}">x</button></form>',
    f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror={TRAP}&gt;">',
    f'<noscript><p title="</noscript><img src=x onerror={TRAP}>">',
    f'```mermaid\ngraph TD;A["<img src=x onerror={TRAP}>"]\n```\n\n```html\n<script>{TRAP}</script>\n```\n\n```svg\n<svg onload={TRAP}>\n```',
    f"$\\href{{javascript:{TRAP}}}{{x}}$ $$\\htmlStyle{{x:expression({TRAP})}}{{y}}$$ \\(\\class{{x}}{{y}}\\)",
]


def leaks(url):
    """Texts that would make a browser that shows them as HTML send a request to `url`."""
    return [
        f"![a]({url}/1)",
        f"![a][r]\n\n[r]: {url}/2",
        f'<img src="{url}/3" srcset="{url}/3s 2x">',
        f'<div style="background:url({url}/4)">x</div>',
        f'<video poster="{url}/5"></video>',
        f'<svg><image href="{url}/6"/><use href="{url}/6u#x"/></svg>',
        f'<link rel="prefetch" href="{url}/7"><link rel="stylesheet" href="{url}/7s">',
        f'<form action="{url}/8"><input type="submit" autofocus></form>',
        f'<input type="image" src="{url}/9">',
        f'<style>@import "{url}/10";</style>',
        f'<meta http-equiv="refresh" content="0;url={url}/11">',
        f'<link rel="dns-prefetch" href="{url}/12"><link rel="preconnect" href="{url}">',
    ]


@pytest.fixture
def listener():
    """A server of a stranger: `requests` has what it received."""

    class Handler(BaseHTTPRequestHandler):
        def handle(self):
            server.requests.append(self.rfile.readline())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests = []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def arm(screen):
    screen.tab.add_init_script("window.caught = 0; window.trap = () => caught++;")
    screen.tab.reload()
    screen.tab.wait_for_selector("option[value='glm-4.6']", state="attached")


def made(screen):
    """The elements in answers and titles that no answer may become."""
    return screen.tab.locator(
        ".markdown :is(script, img, iframe, object, embed, style, link, meta, form, input, video, math a, [onload], [onerror],"
        " [style*=url], a[href^='javascript']), .markdown svg:not(button svg), #sidebar li :is(img, script, iframe)"
    ).count()


def test_nothing_of_an_answer_runs_or_loads_at_any_cut(screen, listener):
    """The renderer itself is fed with each text in two halves, cut at every character."""
    arm(screen)
    texts = [*RUNS, *leaks(f"http://127.0.0.1:{listener.server_port}")]
    screen.tab.evaluate(
        """async texts => {
            const {Answer} = await import("/markdown/answer.js");
            const {renderMathematics} = await import("/page/typeset.js");
            for (const text of texts) {
                for (let cut = 1; cut < text.length; cut++) {
                    const holder = document.createElement("div");
                    holder.className = "markdown";
                    document.querySelector(".log").append(holder);
                    const answer = new Answer(holder);
                    for (const half of [text.slice(0, cut), text.slice(cut)]) {
                        answer.write(half);
                        answer.render();
                    }
                    answer.close();
                    if (cut === 1) await renderMathematics(holder);
                    else holder.remove();
                }
            }
        }""",
        texts,
    )

    assert made(screen) == 0
    assert screen.tab.evaluate("caught") == 0
    assert listener.requests == []


def test_a_hostile_answer_is_harmless_on_the_page_after_a_reload_and_in_an_export(
    screen, engine, listener, another
):
    arm(screen)
    hostile = "\n\n".join([*RUNS, *leaks(f"http://127.0.0.1:{listener.server_port}")])
    engine.answers[question := f'<img src=x onerror="{TRAP}">'] = hostile
    engine.piece = 7
    screen.ask(question)
    screen.wait_for_end()
    for link in screen.tab.locator(".markdown a").all():
        assert link.get_attribute("href").startswith("http://127.0.0.1:")
    screen.tab.fill("[type=search]", "onerror")
    screen.tab.wait_for_selector("#sidebar li small")
    assert made(screen) == 0
    screen.tab.reload()
    screen.wait_for_end()
    screen.shoot("hostile")
    screen.tab.click(".open-settings")
    with screen.tab.expect_download() as download:
        screen.tab.click("text=Export this chat")
    path = download.value.path()

    assert download.value.suggested_filename == "chat-img-src-x-onerror-trap.json"
    assert json.loads(path.read_text("utf-8"))["chats"][0]["messages"][0]["text"] == question
    screen.tab.set_input_files("input[type=file]", path)
    screen.tab.wait_for_selector("text=1 chats imported")
    assert made(screen) == 0
    assert screen.tab.evaluate("caught") == 0
    assert listener.requests == []


def test_no_text_can_become_html_in_this_page(screen):
    """The policy of the page refuses it, whatever a module of the page does."""
    screen.tab.evaluate("document.createElement('p').append('x')")
    refused = screen.tab.evaluate(
        """() => [
            () => { document.createElement("p").innerHTML = "<b>x</b>"; },
            () => { new DOMParser().parseFromString("<b>x</b>", "text/html"); },
            () => { document.createElement("iframe").srcdoc = "x"; },
            () => { new Worker("/page/highlighter.js"); },
            () => { trustedTypes.createPolicy("other", {}); },
        ].map(act => { try { act(); return "allowed"; } catch (error) { return error.name; } })"""
    )
    screen.errors.clear()  # the refusals

    assert refused == ["TypeError"] * 5


DENSE = (
    "const f=(a,b)=>{if(a>b)return`x${a}`;for(const k of[1,'two',/3/g])b[k]+=0x1f};" * 600
)  # 49,200 characters


def test_highlighting_leaves_the_text_and_what_is_long_or_of_no_known_language_is_not_coloured(
    screen, engine
):
    sources = [
        "python\nx = 1\n",
        "c++\nint x;\n",
        "Python {1}\ny = 2\n",
        f"js\n{DENSE}\n",
        f"js\n{DENSE * 10}\n",
        "mermaid\ngraph TD\n",
        "unheard-of\nz\n",
        f"\n{DENSE[:20_000]}\n",
        "constructor\nw\n",
    ]
    engine.answers["code"], engine.piece = "\n\n".join(f"```{source}```" for source in sources), 5000
    screen.ask("code")
    screen.wait_for_end()
    screen.wait("""() => [...document.querySelectorAll('pre')].slice(0, 4).every(
        pre => [...pre.querySelectorAll('.lines')].every(lines => lines.querySelector('[class^=code-]')))""")

    shown = screen.tab.locator(".markdown pre code").all_text_contents()
    assert shown == [source.split("\n", 1)[1] for source in sources]
    coloured = screen.tab.evaluate(
        "() => [...document.querySelectorAll('pre')].map(pre => Boolean(pre.querySelector('[class^=code-]')))"
    )
    assert coloured == [True] * 4 + [False] * 5
