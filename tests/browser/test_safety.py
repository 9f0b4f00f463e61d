"""What others write is text, whatever it says; and the page runs nothing but itself."""

from server import until

NASTY = [
    "<script>window.owned = 1</script>", "<img src=x onerror=\"window.owned=1\">", "<b>bold</b> &amp; <i>more</i>",
    "javascript:window.owned=1", "https://example.org/\"onmouseover=\"window.owned=1", "{{constructor.constructor('x')()}}",
    "‮gnp.exe‬ \u202e reversed", "a\u0000b".replace("\u0000", "\u2400"), "𝕳𝖊𝖑𝖑𝖔 👩‍👩‍👧‍👦 e\u0301", "</p></li></ol><h1>out</h1>", "x" * 5000,
]


def test_texts_names_and_titles_are_shown_as_they_are(browse, people):
    ada, bob = people("Ada", "Bob")
    bob.patch("/v1/users/me", {"display_name": NASTY[1]})
    group = bob.group(ada, title=NASTY[0][:60], description=NASTY[2])
    for text in NASTY:
        bob.say(group, text)
    browser = browse(ada)
    browser.click("#chats a.chat")
    until(lambda: browser.messages()[-1:] == [NASTY[-1]], 15, "the last of them")
    browser.js("document.querySelector('#timeline').scrollTop = 0")
    for text in NASTY[:-1]:
        until(lambda wanted=text: wanted in browser.messages(), 15, f"{text!r} on the page")
    assert browser.see("#chat-title").text == NASTY[0][:60]
    browser.see("#messages .sender", NASTY[1])
    browser.click("#chat-open-info")
    browser.see("dialog .description", NASTY[2])
    browser.see("dialog .members", NASTY[1])
    assert browser.js("return window.owned") is None
    assert browser.js("return document.querySelectorAll('#messages script, #messages img, #messages b, #messages h1').length") == 0
    assert browser.js("return [...document.querySelectorAll('#messages a')].every((a) => ['http:', 'https:'].includes(a.protocol) && a.rel.includes('noopener'))")


def test_a_script_or_style_that_got_in_would_not_run(browse, people):
    (ada,) = people("Ada")
    browser = browse(ada)
    browser.allowed.append("Content Security Policy")
    browser.js("""
        const script = document.createElement('script');
        script.textContent = "window.owned = 1";
        document.body.append(script);
        document.body.setAttribute('style', 'display: none');""")
    assert browser.js("return window.owned") is None
    assert browser.js("return getComputedStyle(document.body).display") != "none"


def test_a_token_is_never_in_an_address(browse, people):
    (ada,) = people("Ada")
    browser = browse(ada)
    token = browser.js("return JSON.parse(localStorage.getItem('parley:session')).token")
    addresses = browser.js("return [location.href, ...performance.getEntriesByType('resource').map((entry) => entry.name)]")
    assert len(addresses) > 20 and not any(token in address for address in addresses)
    hosts = browser.js("return [...new Set(performance.getEntriesByType('resource').map((entry) => new URL(entry.name).host))]")
    assert hosts == [browser.js("return location.host")], "something came from another host"
