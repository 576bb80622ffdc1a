# ruff: noqa: E501 - wordings are data and stay on one line
"""What people ask about and the demo model does not know: topics by field, texts, and neighbours of its facts."""

from __future__ import annotations


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.replace("\n", ",").split(",") if item.strip()]


# Each is a noun phrase that goes after "about".
TOPICS = _items("""
black holes, photosynthesis, quantum physics, gravity, relativity, electricity, magnets, atoms, DNA, evolution, vaccines, viruses, bacteria, cancer, the immune system, the brain, sleep, dreams, the heart, blood pressure, diabetes, allergies, headaches, a cold, the flu, vitamins, calories, a diet, weight loss, yoga, stretching, running, a marathon, swimming, cycling, football, soccer, basketball, tennis, chess, poker, golf, baseball, the olympics, the world cup
democracy, elections, the constitution, human rights, taxes, inflation, interest rates, the stock market, bitcoin, shares, a mortgage, a loan, insurance, a pension, savings, a budget, rent, a contract, a divorce, a will, a lawsuit, copyright, patents, a landlord, a job interview, a resume, a cover letter, a salary, a promotion, burnout, stress, anxiety, depression, grief, loneliness, love, marriage, dating, parenting, toddlers, teenagers, bullying, friendship, happiness, the meaning of life, religion, buddhism, islam, christianity, philosophy, plato, kant, ethics, free will, consciousness
world war two, the roman empire, ancient egypt, the french revolution, the cold war, napoleon, cleopatra, julius caesar, einstein, newton, darwin, shakespeare, mozart, beethoven, bach, picasso, van gogh, leonardo da vinci, the mona lisa, hamlet, harry potter, star wars, the beatles, taylor swift, elvis, jazz, opera, hip hop, a guitar solo, a symphony, the cinema, a movie, netflix, television, a podcast, photography, architecture, gothic churches, the eiffel tower, the great wall, the pyramids, the amazon, mount everest, the sahara, antarctica, the pacific, volcanoes, earthquakes, tornadoes, climate change, global warming, recycling, plastic, solar panels, wind power, nuclear power, oil, coal mining, hydrogen, batteries, electric cars, engines, brakes, tires, a flat tire, airplanes, rockets to mars, satellites, the space station, the moon landing, jupiter, saturn, comets, galaxies, the big bang, time travel, aliens
machine learning, neural networks, transformers, blockchain, databases, operating systems, linux, windows, a router, wifi, bluetooth, a printer, a laptop, an iphone, android, a password, encryption, hackers, viruses on a computer, the cloud, docker, kubernetes, git, a website, css, html, javascript, an app, a search engine, social media, youtube, instagram, email, spam, video games, minecraft, virtual reality, robots in factories, drones, 3d printing
cooking, baking bread, a chocolate cake, pasta, lasagna, sushi, curry, soup for dinner, a salad, breakfast, a recipe, wine, beer, tea, espresso, spices, garlic, a barbecue, vegan food, a restaurant, a birthday party, a wedding, christmas, easter, halloween, a gift for my mother, a vacation, hotels, flights, a visa, a passport, camping, hiking, the beach, a road trip, a backpack, a tent, skiing, sailing, fishing, gardening, tomatoes in pots, roses in winter, a lawn, weeds, compost, bees and honey, a puppy's training, a sick cat, an aquarium, horses and saddles, birds in winter, dinosaurs, whales, sharks, elephants, pandas, spiders, ants, mushrooms, trees, oak wood, furniture, a leaking tap, a broken window, paint on walls, plumbing, a drill, curtains, carpets, laundry, stains, a vacuum cleaner, a dishwasher, a fridge, shoes, fashion, makeup, hair, tattoos, jewelry, watches, knitting, sewing, pottery, drawing, calligraphy, origami, magic tricks, card games, puzzles, riddles of the sphinx, astrology, horoscopes, tarot, superstitions, ghosts, vampires, mythology, zeus, thor, king arthur, robin hood, dragons in china, the alphabet, grammar, commas, poetry in school, essays, exams, universities, scholarships, kindergarten, homework rules, languages, latin, accents, slang, emojis, punctuation, chemistry, the periodic table, acids, salt, water pressure, oxygen, carbon dioxide, rust, fire safety, glass, steel, concrete, bridges, tunnels, trains in japan, ships, submarines, traffic, parking, bicycles in cities, pollution, noise, poverty, hunger, migration, war, peace, crime, police, prisons, guns, drugs, alcohol, smoking, coffee and health, money, banks, credit cards, business plans, marketing, a startup, a logo, customers, meetings, a boss, a strike, robots and jobs, retirement, old age, death, birth, twins, names for babies, grandparents, neighbors, cities, villages, farms, weather forecasts, snow storms, rainbows and light, sunsets, tides, rivers in africa, deserts, islands in greece, maps, time zones, calendars, clocks, history of numbers, zero, infinity, pi, prime numbers, algebra, geometry, triangles, statistics, probability, logic
""")
PEOPLE = _items("""
the president of france, the queen, the pope, the prime minister, elon musk, bill gates, albert einstein, marie curie, barack obama, abraham lincoln, george washington, napoleon, lionel messi, cristiano ronaldo, michael jordan, taylor swift, madonna, elvis presley, charlie chaplin, tom hanks, walt disney, steve jobs, isaac newton, galileo, aristotle, socrates, goethe, tolstoy, jane austen, stephen king, agatha christie, sherlock holmes, batman, superman, gandhi, martin luther king, mother teresa, anne frank, christopher columbus, marco polo, neil armstrong, frida kahlo, rembrandt, vivaldi, chopin, bob dylan, beyonce, rihanna, usain bolt, roger federer, my neighbor, the inventor of the telephone, the author of hamlet, the king of spain
""")
# Countries, regions and places that are not among the capitals.
PLACES = _items("""
Nepal, Mongolia, Pakistan, Bangladesh, Sri Lanka, Myanmar, Laos, Cambodia, Malaysia, Philippines, South Korea, North Korea, Taiwan, Kazakhstan, Uzbekistan, Afghanistan, Syria, Lebanon, Jordan, Saudi Arabia, Yemen, Oman, Qatar, Kuwait, Georgia, Armenia, Azerbaijan, Libya, Tunisia, Algeria, Sudan, Somalia, Uganda, Tanzania, Rwanda, Congo, Nigeria, Senegal, Mali, Niger, Chad, Cameroon, Angola, Zambia, Zimbabwe, Botswana, Namibia, South Africa, Madagascar, Mozambique, Malawi, Gabon, Togo, Benin, Liberia, Gambia, Guatemala, Honduras, Nicaragua, Panama, Costa Rica, Jamaica, Haiti, Dominican Republic, Puerto Rico, Trinidad, Barbados, Bahamas, Venezuela, Ecuador, Bolivia, Paraguay, Uruguay, Guyana, Suriname, New Zealand, Fiji, Samoa, Tonga, Papua New Guinea, Netherlands, Luxembourg, Monaco, Malta, Cyprus, Albania, Slovenia, Slovakia, Bosnia, Macedonia, Montenegro, Kosovo, Moldova, Belarus, Lithuania, Latvia, Estonia, Czech Republic, Liechtenstein, Andorra, San Marino, Vatican City, Greenland, Singapore, Bhutan, Maldives, Brunei, California, Texas, Florida, Ohio, Alaska, Hawaii, Bavaria, Catalonia, Sicily, Tuscany, Scandinavia, Europe, Africa, Asia, America, the moon, Mars, Atlantis, Narnia, Mordor, Wonderland, Hogwarts, Gotham, Middle Earth, the sea, my street, the world, the universe, heaven, the internet, Quebec, Ontario, Siberia, Crimea, Tibet, Kashmir, Normandy, Burgundy, Saxony, Prussia, the Roman Empire, Yugoslavia, the Soviet Union
""")
FOREIGN_CITIES = _items("""
Mumbai, Shanghai, Toronto, Vancouver, Montreal, Osaka, Kyoto, Istanbul, Saint Petersburg, Rio de Janeiro, Sao Paulo, Geneva, Zurich, Marseille, Lyon, Naples, Venice, Florence, Hamburg, Frankfurt, Cologne, Manchester, Liverpool, Glasgow, Los Angeles, San Francisco, Miami, Dallas, Houston, Denver, Las Vegas, Melbourne, Auckland, Cape Town, Nairobi West, Lagos, Casablanca, Seville, Porto, Antwerp, Krakow, Chicago, Boston, Seattle, Sydney, Munich, Milan, Barcelona, New York
""")
# No single opposite, no baby's name, no one colour among the facts.
NO_OPPOSITE = _items("""
table, chair, car, banana, pencil, computer, house, tree, water, bread, book, phone, window, garden, music, blue, green, seven, Monday, January, Paris, France, elephant, dog, pizza, cheese, shoe, guitar, river, mountain, school, teacher, doctor, king, paper, clock, bottle, spoon, hat, flower, cloud, bus, train, nose, hand, shirt, sugar, coffee, football, number, letter, word, name, color, sandwich, purple, twelve, Germany, tiger, democracy, gravity, history, physics, potato, camera, island, idea, umbrella
""")
OTHER_ANIMALS = _items("""
giraffe, zebra, hippo, rhino, camel, monkey, gorilla, tiger, leopard, cheetah, crocodile, turtle, lizard, shark, whale, dolphin, seal, otter, beaver, squirrel, hedgehog, mole, bat, eagle, hawk, parrot, pigeon, crow, peacock, flamingo, ostrich, penguin, turkey, butterfly, ant, spider, snail, crab, lobster, octopus, jellyfish, salmon, platypus, koala, panda, sloth, llama, donkey, reindeer, moose, bison, raccoon, skunk, hamster, rabbit, dinosaur, unicorn, dragon, robot, table, car, computer, tree, teacher, mosquito, worm, clam, pelican, swallow, antelope
""")
NO_COLOUR = _items("""
love, music, Monday, the number seven, time, silence, my shirt, your hair, my car, a mirror, the wind, happiness, an idea, my house, the door, a flamingo, an elephant, a zebra, a peacock, a book, a chair, a phone, a dog, a cat, the flag of france, the flag of japan, a ruby, an emerald, a sapphire, lavender, a plum, an eggplant, mars, jupiter, neptune, a london bus, a new york taxi, my eyes, a shadow, the universe, gold, silver, copper, a violin, a tire, a stop sign, ketchup, mustard, a polar bear, a crow
""")
OTHER_LANGUAGES = _items("""
Italian, Portuguese, Dutch, Swedish, Danish, Norwegian, Finnish, Polish, Czech, Russian, Ukrainian, Greek, Turkish, Arabic, Hebrew, Hindi, Chinese, Japanese, Korean, Thai, Vietnamese, Latin, Swahili, Hungarian, Romanian, Irish, Welsh, Esperanto, Klingon, Elvish, Catalan, Basque, Mandarin, Persian, Urdu
""")
OTHER_WORDS = _items("""
window, door, chair, butterfly, cheese, love, peace, freedom, car, train, airport, station, hospital, doctor, chicken, potato, onion, sugar, salt, pepper, mountain, river, sea, island, forest, star, sky, rain, snow, winter, summer, white, black, yellow, purple, mother, father, sister, brother, child, teacher, shoe, shirt, money, work, time, week, month, year, four, five, ten, hundred, please, sorry, goodbye, good morning, good night, welcome, beautiful, happy, sad, big, small, hot, cold, to eat, to run, to sleep, key, phone, computer, music, birthday, spoon, kitchen, garden, flower
""")
PHRASES = _items("""
the cat sleeps on the sofa, i would like a cup of coffee, where is the train station, my brother lives in london, we are going to the beach tomorrow, she bought a new car, the weather is nice today, i do not understand you, can you help me please, the book is on the table, my name is Anna and i am a student, he has two dogs and a cat, how much does this cost, i lost my passport, have a nice day, the early bird catches the worm, it is raining, i love you, what a beautiful morning, the meeting starts at nine, please close the door, we had bread and milk for breakfast, the red house is big, my friend has a horse, see you next week, i am hungry and tired, the moon is bright tonight, thank you for your letter, the water is too cold, nobody knows the answer
""")
TEXTS = [row.strip() for row in """
I absolutely loved this film, the acting was superb.
The food was cold and the waiter was rude.
This is the worst phone I have ever bought.
Great service, friendly staff, we will come back!
The package arrived late and the box was broken.
It was okay, nothing special.
What a wonderful concert, I cried with joy.
I am so disappointed with this hotel.
The battery lasts two days and the screen is bright.
My flight was cancelled and nobody helped us.
The new library opened on Monday. It has three floors and a cafe. Many people came to see it.
The city council met on Tuesday to discuss the new bridge. The costs have doubled. A decision is expected next month.
Bees are in decline in many countries. Farmers worry about their crops. Scientists look for the reasons.
Anna went to the market to buy apples. She met an old friend there, and they talked for an hour.
The company reported higher profits this year. Sales rose in Asia but fell in Europe.
Our dog ran away last night. He is brown and has a red collar. Please call us.
The team won the final after a long match. The fans celebrated in the streets.
He dont like apples but she like it.
Yesterday i go to school and forgetted my book.
Their going to there house over they're.
Dear customer, your invoice of 45 dollars is due on Friday.
Winter came early. The lake froze, and the children skated until dark.
I hate waiting, but the doctor was kind.
The product is good but too expensive.
""".strip().splitlines()]  # fmt: skip
# Other languages: small talk, questions, orders.
OTHER_TONGUES = [row.strip() for row in """
Wie heißt du?|Was kannst du?|Wie spät ist es?|Erzähl mir einen Witz.|Schreib mir ein Gedicht.|Was ist die Hauptstadt von Frankreich?|Wie viel ist drei plus vier?|Hallo, wie geht es dir?|Kannst du mir bei den Hausaufgaben helfen?|Warum ist der Himmel blau?|Übersetze diesen Satz.|Wer war Goethe?|Guten Morgen!|Ich habe Hunger.|Wo liegt Berlin?|Was soll ich heute kochen?|Wie wird das Wetter morgen?
Comment tu t'appelles ?|Quelle est la capitale de l'Espagne ?|Raconte-moi une histoire.|Bonjour, comment ça va ?|Combien font deux plus deux ?|Quel temps fait-il ?|Pourquoi le ciel est-il bleu ?|Écris un poème sur la mer.|Je ne comprends pas.|Où est la gare ?|Qui a peint la Joconde ?|Peux-tu m'aider ?
¿Cómo te llamas?|¿Cuál es la capital de Italia?|Cuéntame un chiste.|Hola, ¿cómo estás?|¿Cuánto es cinco más tres?|¿Qué hora es?|Escribe una carta a mi jefe.|¿Por qué llueve?|Necesito ayuda con mi tarea.|¿Dónde está el baño?|¿Quién escribió Don Quijote?|Buenos días.
Come ti chiami?|Qual è la capitale della Francia?|Raccontami una storia.|Ciao, come stai?|Quanto fa due più due?|Che tempo fa oggi?|Scrivi una poesia.|Dove si trova Roma?|Ho bisogno di aiuto.
Qual é a capital do Brasil?|Como você se chama?|Conte uma piada.|Bom dia, tudo bem?|Quanto é sete mais dois?|Preciso de ajuda.|Onde fica Lisboa?
Hoe heet je?|Wat is de hoofdstad van Nederland?|Vertel een verhaal.|Hoe laat is het?|Goedemorgen.|Jak się nazywasz?|Jaka jest stolica Polski?|Vad heter du?|Vad är klockan?|Hvad hedder du?|Mitä kuuluu?|Adın ne?|Türkiye'nin başkenti neresi?|Как тебя зовут?|Сколько будет два плюс два?|Расскажи анекдот.|Столица России?|Привет!|Почему небо голубое?|你好|你叫什么名字?|法国的首都是哪里?|讲个笑话|こんにちは|フランスの首都はどこですか?|あなたは誰ですか?|안녕하세요|이름이 뭐예요?|مرحبا|ما اسمك؟|ما هي عاصمة فرنسا؟|नमस्ते|आपका नाम क्या है?|Γεια σου|Πώς σε λένε;|Quid est nomen tuum?|Jina lako nani?|Quo vadis?
""".strip().replace("\n", "|").split("|")]  # fmt: skip
