"""Typing and presence."""


def test_typing_is_seen_by_the_other_and_ends(browse, people):
    ada, bob = people("Ada", "Bob Babbage")
    ada.direct(bob)
    here, there = browse(ada), browse(bob)
    here.open_chat("Bob Babbage")
    there.open_chat("Ada")
    there.type("#composer-text", "I am thinking")
    here.see("#typing", "Bob Babbage is typing…")
    here.see("#chats .chat-preview.typing", "typing…")
    there.say("")
    here.message("I am thinking")
    here.gone("#typing", "typing")


def test_who_is_online_is_seen_and_when_they_were_last(browse, people):
    ada, bob = people("Ada", "Bob Babbage")
    ada.direct(bob)
    here = browse(ada)
    here.open_chat("Bob Babbage")
    there = browse(bob)
    here.see("#chat-subtitle", "online")
    here.see("#chats .face.online")
    there.driver.get("about:blank")
    here.see("#chat-subtitle", "last seen", 40)
    here.gone("#chats .face.online")


def test_who_hides_presence_is_not_seen(browse, people):
    ada, bob = people("Ada", "Bob Babbage")
    ada.direct(bob)
    bob.patch("/v1/users/me", {"privacy": {"presence": False}})
    here, there = browse(ada), browse(bob)
    here.open_chat("Bob Babbage")
    there.open_chat("Ada")
    there.say("I am here all the same")
    here.message("I am here all the same")
    assert here.see("#chat-subtitle").text == f"@{bob.username}"
