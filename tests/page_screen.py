"""A tab of a browser with the page."""

from pathlib import Path

__all__ = ["AXE", "DEMO_TOOLS", "Screen"]

ROOT = Path(__file__).parents[1]
SHOTS = ROOT / "build/page"
AXE = ROOT / ".venv-clients-npm/node_modules/axe-core/axe.min.js"
DEMO_TOOLS = """localStorage.setItem("headrace.settings", JSON.stringify(
    {...JSON.parse(localStorage.getItem("headrace.settings")), demoTools: true, autoRun: false}))"""
"""A script that makes the page offer its tools, and wait for the user to run them."""


class Screen:
    """A tab with the page. `errors` has what the console reports."""

    def __init__(self, context, url, *, has_models=True):
        self.tab, self.errors = context.new_page(), []
        self.tab.set_default_timeout(100_000)
        self.tab.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.goto(url)
        if has_models:
            self.tab.wait_for_selector("header.bar select option[value='glm-4.6']", state="attached")

    def ask(self, question):
        self.tab.fill("#question", question)
        self.tab.keyboard.press("Enter")

    def wait(self, expression, argument=None):
        return self.tab.wait_for_function(expression, arg=argument, polling=20)

    def wait_for_end(self, count=1):
        """Until so many answers on the screen are complete."""
        self.wait(
            "count => document.querySelectorAll('.assistant .actions .icon[title]').length >= 3 * count",
            count,
        )

    @property
    def answer(self):
        """Its text, also of parts that are outside the window, which the browser does not render."""
        return self.tab.locator(".assistant .markdown").last.evaluate("""element => {
            for (const part of element.children) part.style.contentVisibility = "visible";
            const text = element.innerText;
            for (const part of element.children) part.style.contentVisibility = "";
            return text;
        }""")

    def shoot(self, name):
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.tab.screenshot(path=SHOTS / f"{name}.png")
