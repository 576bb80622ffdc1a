# ruff: noqa: E501 - wordings are data and stay on one line
"""Ways to ask, whatever is asked: `@` stands for what a task's line names.

A line of a task that starts with `=` is a noun phrase ("= the capital of {x}"), `!` an order ("! spell {w}"), `%`
a clause ("% how many letters {w} has"). All tasks, those to decline too, are asked in all of these ways; so a
way to ask tells nothing about the task.
"""

NOUN = """
[what is|what's|whats|what are|what was|what would be|what might be] @
[tell me|give me|name|name me|say|find|show me|write|send me|state|provide|list] @
[please|kindly|just|simply|now] [tell me|give me|name|say|find|write] @
@
@[ please|, please| now| plz| pls]
[i need|i want|i would like|i'd like|i'd love|we need|she needs|he wants|they want|my boss wants] @
[i am|i'm|we are|we're] looking for @
[i am|i'm] trying to find @
[can|could|would|will] you [tell me|give me|name|say|find|work out|figure out] @
[can|could] [i|we] [have|get|know|see|ask for|ask you for] @
[may|might] i [ask for|know|have|request] @
do you [know|happen to know|remember|recall|have] @
[do you have|have you got|got] [any|an|some] idea [what|of what|about] @ [is|might be|could be|would be|]
[any idea|any clue|no idea|not sure|unsure|no clue]: what is @
[i forgot|i forget|i cannot remember|i can't remember|i do not know|i don't know|i never know|i lost] @
[remind me of|remind me:|remind me what is] @
[i wonder|i was wondering|i'm wondering|i am curious|just curious|out of curiosity|let me ask|tell us]: what is @
[what's|what is] @ [again|called|then|exactly|actually|by the way|anyway|supposed to be]
@ is [what|what again|which one|?]
@ [would be|should be|must be] [what|...]
[help me|help us|help] [find|with|name|get|remember|work out] @
[here is|this is|i have|now] [a question|my question|one more question|a quiz question|a riddle]: [what is|name|] @
[quiz|quiz question|test question|exam question|trivia|homework|task|crossword|exercise|question|next|first question|q]: @
[the quiz|the book|the teacher|my teacher|my son|my daughter|my kid|the game|someone|a friend|the test|my homework] [asks|asked|wants to know|asks for|asks me for|wants] @
[for|in] [a quiz|my homework|a game|a crossword|a test|class|school|work|my notes] [i|we] [need|must know|should know] @
[please answer|answer this|answer me|answer quickly|quick question|tell me quickly|quickly|fast|asap|urgent]: @
[what do you think is|what would you say is|what do people call|how would you call|what do we call|let's hear|let me hear|let me know|i want to hear|i'm asking for|i ask for|i am after] @
[it would be nice to know|it'd be great to know|i'd be happy to know|i would be glad to hear|i'd be grateful for|i'd appreciate|i would love to know] @
[is there|there is] a [word|name|way|answer] for this: @
[fill in|complete|fill the gap]: @ is ___
@: ___
@ = ?
@...
[you surely know|you must know|surely you know|i bet you know|i'm sure you know|you know] @[, right|, don't you|]
[my question is about|my question concerns|this is about|it is about|i have a question about|question about] @
[be so kind and|be nice and|be a dear and|do me a favor and|if you can,|if you could,|if possible,|when you have time,|if you do not mind,] [tell me|give me|name|say] @
"""

DO = """
@
@[ please|, please| now| for me| for me please| thanks|, thanks| plz| pls|, will you|, would you|, can you|, ok]
[please|kindly|just|now|simply|quickly|go and|go on and|go ahead and|come on,|first|then|try and|try to|pls|plz] @
[can|could|would|will] you [please|kindly|quickly|maybe|possibly|perhaps|just|] @[ please| for me|]
[i need you to|i want you to|i'd like you to|i would like you to|you should|you must|you have to|you need to|you may] @
[i need to|i want to|i have to|i must|i should|i'd like to|i would like to|we need to|we have to|we want to|i am trying to|i'm trying to|i was asked to|my task is to|the task is to|the exercise is to] @
[help me|help me to|help us|help me please, i have to|show me how to|tell me how to|teach me to|let's|let us] @
[how do i|how do you|how to|how can i|how would you|how does one|how should i] @
[are you able to|is it possible to|would it be possible to|is it possible for you to|can a model like you|do you know how to|are you good enough to|is there a way to] @
[do me a favor and|do me a favor:|be so kind and|be so kind as to|be nice and|be a dear and|would you be so kind to|if you can,|if you could,|if possible,|when you have time,|if you do not mind,] @
[task|exercise|homework|your task|your job|my homework|next task|job|to do|challenge|instruction|request|problem]: @
[your task is to|your job is to|the goal is to|the challenge is to|what i need is to|all i want is to|it is time to|time to] @
[my teacher|my boss|my son|my daughter|the book|the test|the quiz|my homework|the exercise] [says|wants me to|told me to|says to|asks me to|asked me to] @
[i would be glad if you could|i'd be happy if you could|it would be nice if you could|it'd be great if you could|i'd appreciate it if you could|maybe you can|perhaps you could|i hope you can|i wonder if you can|i was hoping you could] @
[i bet you can|i bet you cannot|you surely can|i'm sure you can|i know you can|let me see you|show me that you can|prove that you can|let me watch you] @
[what happens|what comes out|what do i get|what do we get] [if|when] [i|you|we] @
"""

CLAUSE = """
[tell me|say|tell us|please tell me|please say|just tell me|kindly tell me|now tell me|find out|work out|figure out|check|write down|let me know|explain to me|help me find out|inform me] @
[can|could|would|will] you [please|quickly|] [tell me|say|tell us|find out|work out|check|figure out|let me know] @
[do you know|do you happen to know|do you remember|do you have any idea|any idea|any clue|have you any idea] @
[i wonder|i was wondering|i'm wondering|i am wondering|i ask myself|i'm curious|i am curious|i'm not sure|i am not sure|i do not know|i don't know|i forgot|i never know|no idea|i cannot say|i can't tell|i have no idea] @
[i want to know|i'd like to know|i would like to know|i need to know|we need to know|i must know|i have to find out|i'm trying to find out|i am trying to work out|i'd love to know|we'd like to hear] @
[my teacher|my son|my daughter|my friend|the quiz|the book|my boss|someone|a child|the exercise|the test|my homework] [asks|asked|asked me|wants to know|asks me] @
[the question is|my question is|question|quiz question|homework|here is the question|question for you|one question|what i ask is|riddle] [:|] @
[please explain|be so kind and tell me|be nice and tell me|do me a favor and tell me|if you can, say|if you know, tell me|i'd be glad to hear|i would be happy to know|it would be nice to know] @
[you surely know|you must know|i bet you know|surely you can tell me|i'm sure you can say|maybe you can tell me|perhaps you know] @
[are you able to|is it possible to] [tell me|say] @
"""

KINDS = {"=": NOUN, "!": DO, "%": CLAUSE}

# Sentences around a request; none of them changes it.
BEFORE = """
[i am|i'm|we are] [doing|playing|solving|preparing|checking] [a quiz|a game|my homework|a crossword|a test|some exercises] [with my [son|daughter|kids|friends|class]|].
[my|our] [son|daughter|child|kid|brother|sister|class|teacher] [has|gave me|brought] [a question|homework|an exercise|a riddle].
[i have|here is|this is] [a|one|another|a quick|a short|a little|an easy|a simple] [question|one|task|thing] [for you|].
[sorry to bother you|excuse me|pardon|sorry|hi again|hello again|good morning|good evening|thanks for your help|nice to meet you][.|,|!]
[i need|i could use] [your help|some help|a hand|a bit of help][.|!]
[let's|let us] [try|test|do|see] [something|this|one more|another one|an easy one][.|:]
[i was|we were] [never|not|] good at [school|this|such things|numbers|words].
[it is|it's] [late|early|for school|for work|for my kids|important|urgent|not urgent].
[listen|look|attention|right|alright|fine|great|good|next|also|actually|hmm|um|oh|ah|and|but|still|anyway|by the way|btw|say|hey you|dear model|little model|computer|assistant|bot|friend][,|:|...]
[think about it|think carefully|take your time|be careful|be quick|no hurry|do not rush|concentrate][.|:|,]
my [mum|dad|boss|friend|neighbor|colleague|wife|husband] [and i|] [is asking|asked me|argue about this|would like to know this].
[we talked about this|i read about this|this came up] [today|yesterday|at school|at dinner|at work].
"""
AFTER = """
[i need it|it is|this is] for [school|work|my homework|a quiz|a friend|my notes|a game].
[thanks|thank you|thx|cheers|many thanks|thanks a lot|thank you very much|thanks in advance|much appreciated][.|!|]
[i forgot|i cannot remember|i am not sure|i'm not sure|no idea|i have no clue][.|]
[quickly|fast|briefly|shortly|asap|right away|if you can|if possible|if you know|no rush|when you can][, please|.|]
[just|only] [asking|curious|checking|wondering][.|]
[do you know|can you tell me|can you do that|can you help|could you help me|is that possible|any idea|you know it][?]
[i would be|i'd be|i'll be|we would be] [very|so|] [grateful|happy|glad|thankful].
"""
