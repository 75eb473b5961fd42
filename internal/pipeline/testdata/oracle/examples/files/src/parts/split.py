print("splitting")
