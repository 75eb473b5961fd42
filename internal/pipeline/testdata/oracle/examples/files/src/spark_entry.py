print("counting words")
